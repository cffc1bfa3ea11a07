"""What a worker does about the runs of Dagster that are attempts at jobs.

It stops those whose job was cancelled or given up, and ends the attempts of those that ended
without saying how. A run writes by itself when it claims its job and when it ends; what is left are
runs that could not: they did not load, were cancelled in Dagster's queue, deleted, or lost the
database.

Every change is made only to what is still as it was found, so any number of workers may look. While
Dagster does not answer nothing changes.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString

from keepsake.dagster_api import DagsterAway, Run, find_runs, terminate
from keepsake.database import Pool
from keepsake.errors import InvalidInput
from keepsake.jobs.attempts import Claimed, End, end, end_unbegun, find_running
from keepsake.jobs.plans import RUN_TAG, SENSOR, fence_of, run_tag
from keepsake.jobs.rows import Fence
from keepsake.logs import about

log = logging.getLogger(__name__)

GRACE = timedelta(seconds=30)  # for a run to end by itself; then it is marked as cancelled
OVERLAP_SECONDS = 15.0  # looked at twice: clocks differ, and answers take their time
_UNFINISHED = ("QUEUED", "NOT_STARTED", "MANAGED", "STARTING", "STARTED", "CANCELING")


@dataclass(frozen=True)
class _Job:
    """What a job's row says of its runs."""

    id: int
    attempt: int
    status: str
    run_id: str | None

    def awaits(self, fence: Fence) -> bool:
        """Whether the run that is this attempt has begun and counts, or may still begin."""
        under_way = {"running": self.attempt, "pending": self.attempt + 1}
        return under_way.get(self.status) == fence.attempt


class Following:
    """Follows the runs of jobs, for one worker."""

    def __init__(self, pool: Pool, dagster_url: str) -> None:
        self._pool, self._url = pool, dagster_url
        self._since: float | None = None  # the last look; None: there was none
        self._any_active = True
        self._is_away = False
        self._unwanted: dict[str, float] = {}  # runs to stop, and since when

    async def look(self) -> None:
        """Settle the runs that have changed since the last time, and stop those to be stopped."""
        if not self._any_active and not await self._has_open_jobs():
            self._since = None
            return
        now = time.time()
        since = (self._since or now) - OVERLAP_SECONDS
        try:
            await self._settle(await self._find(updated_after=since))
            await self._settle_running("last_synced_at IS NULL")  # somebody has news of them
            active = await self._find(tags={"dagster/sensor_name": SENSOR}, statuses=_UNFINISHED)
            await self._stop_unwanted(active)
        except DagsterAway as error:
            self._say_away(error)
        else:
            self._since, self._any_active, self._is_away = now, bool(active), False

    async def reconcile(self) -> None:
        """Settle the runs of all jobs that have not ended, however long ago they changed."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT extract(epoch FROM min(created_at))::float FROM jobs"
                " WHERE executor = 'dagster' AND status IN ('pending', 'running')"
            )
            (since,) = await cursor.fetchone() or (None,)
        if since is None:
            return
        try:
            await self._settle(await self._find(updated_after=since - OVERLAP_SECONDS))
            await self._settle_running("true")
        except DagsterAway as error:
            self._say_away(error)

    # -- what has ended ---------------------------------------------------------------------------

    async def _settle(self, runs: Iterable[Run]) -> None:
        """End the attempts of those of these runs that have ended, and have not said how."""
        of_jobs = _of_jobs(runs)
        jobs = await self._jobs(of_jobs)
        for fence, run in of_jobs:
            job = jobs.get(fence.job_id)
            if job is None or not run.is_finished or not job.awaits(fence):
                continue
            if job.status == "pending":
                await self._end_unbegun(fence, run)
            elif job.run_id == run.id:
                await self._end_lost(fence, run.id, run.status)

    async def _settle_running(self, condition: LiteralString) -> None:
        """Settle the runs of jobs that are running and for which that is true, and lost ones."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT id, attempt, run_id FROM jobs WHERE executor = 'dagster'"  # noqa: S608
                f" AND status = 'running' AND run_id IS NOT NULL AND {condition}"
            )
            running = {run_id: Fence(*fence) for *fence, run_id in await cursor.fetchall()}
        if not running:
            return
        runs = await self._find(run_ids=list(running))
        await self._settle(runs)
        for run_id in running.keys() - {run.id for run in runs}:
            await self._end_lost(running[run_id], run_id, "it is no longer there")

    async def _end_unbegun(self, fence: Fence, run: Run) -> None:
        others = await self._find(tags={RUN_TAG: run_tag(fence)})
        if not all(other.is_finished for other in others):
            return  # one of them may still claim the job
        error = f"its run {run.id} ended before it began ({run.status}): see its log in Dagster"
        async with self._pool.connection() as connection:
            if await end_unbegun(connection, fence, run.id, lambda job: _lost(job, error)):
                _say(fence, error)

    async def _end_lost(self, fence: Fence, run_id: str, status: str) -> None:
        """End an attempt whose run ended without writing how.

        Also one that was cancelled: where a person does so, the run writes it.
        """
        error = f"its run {run_id} ended without saying how ({status}): see its log in Dagster"
        async with self._pool.connection() as connection:
            job = await find_running(connection, fence, run_id)
            if job is None:
                return
            if await end(connection, fence, _lost(job, error)):
                _say(fence, error)

    # -- what is to be stopped --------------------------------------------------------------------

    async def _stop_unwanted(self, active: Iterable[Run]) -> None:
        """Stop runs whose attempt does not count any more: at once, or by force after a while."""
        of_jobs = _of_jobs(active)
        jobs = await self._jobs(of_jobs)
        unwanted = {
            run.id: run
            for fence, run in of_jobs
            if fence.job_id not in jobs or not jobs[fence.job_id].awaits(fence)
        }
        now = time.monotonic()
        self._unwanted = {run_id: self._unwanted.get(run_id, now) for run_id in unwanted}
        late = [i for i, since in self._unwanted.items() if now - since > GRACE.total_seconds()]
        asked = [i for i, run in unwanted.items() if i not in late and run.status != "CANCELING"]
        await asyncio.to_thread(terminate, self._url, asked, "SAFE_TERMINATE")
        await asyncio.to_thread(terminate, self._url, late, "MARK_AS_CANCELED_IMMEDIATELY")

    # -- rows and runs ----------------------------------------------------------------------------

    async def _find(self, **wanted: object) -> list[Run]:
        return await asyncio.to_thread(find_runs, self._url, **wanted)  # type: ignore[arg-type]

    async def _has_open_jobs(self) -> bool:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "(SELECT FROM jobs WHERE executor = 'dagster' AND status = 'pending' AND has_turn"
                "   AND due_at <= now() LIMIT 1)"
                " UNION ALL"
                " (SELECT FROM jobs WHERE executor = 'dagster' AND status = 'running' LIMIT 1)"
            )
        return cursor.rowcount > 0

    async def _jobs(self, of_jobs: Iterable[tuple[Fence, Run]]) -> Mapping[int, _Job]:
        """What the rows say of these jobs, which have now been looked at."""
        ids = sorted({fence.job_id for fence, _ in of_jobs})
        if not ids:
            return {}
        async with self._pool.connection() as connection:
            await connection.execute(
                "UPDATE jobs SET last_synced_at = now() WHERE id = ANY(%s) AND finished_at IS NULL"
                " AND (last_synced_at IS NULL OR last_synced_at < now() - interval '5 seconds')",
                (ids,),
            )
            cursor = await connection.execute(
                "SELECT id, attempt, status, run_id FROM jobs WHERE id = ANY(%s)", (ids,)
            )
            return {row[0]: _Job(*row) for row in await cursor.fetchall()}

    def _say_away(self, error: DagsterAway) -> None:
        if not self._is_away:
            log.warning("%s: jobs that it runs are looked at again when it does", error)
        self._is_away = True


def _of_jobs(runs: Iterable[Run]) -> list[tuple[Fence, Run]]:
    """Those of the runs that are attempts at jobs, with which."""
    found = []
    for run in runs:
        with suppress(InvalidInput):  # somebody's own tag
            if fence := fence_of(run.tags):
                found.append((fence, run))
    return found


def _lost(job: Claimed, error: str) -> End:
    return End("orphaned", error_type="RunLost", error=error, again_in=job.pause())


def _say(fence: Fence, what: str) -> None:
    with about(job=fence.job_id, attempt=fence.attempt):
        log.warning("%s", what)
