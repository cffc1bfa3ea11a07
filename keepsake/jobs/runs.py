"""Jobs that Dagster runs: which a run is to be asked for, and how the run carries its own.

    async with carried(url, pool, fence, run_id, is_terminated=...) as job:
        report = await run_line(..., check=job.check)
        job.how = End("succeeded", result=...)

A run is a worker like any other: it holds a lock while it lives, claims its job, learns of a cancel
and writes how its attempt ended. Nothing here knows Dagster; how a run is stopped from outside, and
what becomes of one that dies, is in `following.py`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from keepsake.database import AsyncConnection, Pool, open_connection
from keepsake.errors import KeepsakeError
from keepsake.jobs.attempts import (
    GIVE_BACK,
    Claimed,
    End,
    attempt_span,
    become_worker,
    claim_for_run,
    end,
    end_unbegun,
    failed,
    give_turns,
    timed_out,
    trace_end,
)
from keepsake.jobs.context import JobContext
from keepsake.jobs.log import JobLog
from keepsake.jobs.plans import RunPlan
from keepsake.jobs.registry import Registry
from keepsake.jobs.rows import PRIORITIES, Fence, JobLost, check
from keepsake.logs import about
from keepsake.settings import Settings

log = logging.getLogger(__name__)

WATCH_SECONDS = 1.0  # between looks whether the job was cancelled
WRITE_TRIES = 30  # seconds for a database that is away when the end is to be written
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)


class NotToRun(KeepsakeError):
    """A run's job is not to be run, or no longer."""


@dataclass(frozen=True)
class DueJob:
    """A job that a run is to be asked for.

    Attributes:
        attempt: the number that the run's attempt will have.
    """

    id: int
    attempt: int
    owner_id: int | None
    user_id: int | None
    nominal_time: datetime | None
    type: str
    data: Mapping[str, Any]
    priority: int

    @property
    def fence(self) -> Fence:
        """What its attempt will write with."""
        return Fence(self.id, self.attempt)


async def due_for_runs(
    connection: AsyncConnection, types: Sequence[str], *, limit: int
) -> list[DueJob]:
    """The jobs that are due, in the order in which they are to run. They stay pending.

    Args:
        connection: to the database.
        types: of the jobs.
        limit: the most jobs.
    """
    await give_turns(connection)
    async with connection.cursor(row_factory=class_row(DueJob)) as cursor:
        await cursor.execute(
            """
            SELECT j.* FROM unnest(%(priorities)s::smallint[]) AS of(priority)
            CROSS JOIN LATERAL (
                SELECT id, attempt + 1 AS attempt, owner_id, user_id, nominal_time, type, data,
                       priority
                FROM jobs
                WHERE status = 'pending' AND has_turn AND executor = 'dagster'
                  AND priority = of.priority AND due_at <= now() AND type = ANY(%(types)s)
                  AND (attempt > 0 OR expires_at IS NULL OR expires_at > now())
                ORDER BY due_at, id LIMIT %(limit)s) AS j
            LIMIT %(limit)s
            """,
            {
                "types": list(types),
                "limit": limit,
                "priorities": sorted(PRIORITIES.values(), reverse=True),
            },
        )
        return await cursor.fetchall()


async def plan_run(pool: Pool, registry: Registry, settings: Settings, job: DueJob) -> RunPlan:
    """The run that a job comes to.

    Raises:
        Exception: there is none; to be given to `refuse`.
    """
    context = JobContext(job.fence, job.owner_id, job.user_id, job.nominal_time, pool, settings)
    job_type = registry.find(job.type)
    plan = await job_type.run(context, job_type.check(job.data))
    if not isinstance(plan, RunPlan):
        raise TypeError(f"a job of type {job.type} comes to no plan of a run")
    return plan


async def refuse(pool: Pool, job: DueJob, error: Exception) -> None:
    """End the attempt at a job for which no run can be asked, because of that error.

    Raises:
        psycopg.OperationalError: the error is no fault of the job: the database is away.
    """
    if isinstance(error, _AWAY):
        raise error
    with about(job=job.id, attempt=job.attempt, owner=job.owner_id):
        async with pool.connection() as connection:
            await end_unbegun(connection, job.fence, None, lambda claimed: failed(claimed, error))


class RunningJob:
    """A job in the hands of a run.

    Attributes:
        claimed: the job.
        how: how the attempt ends if nothing is raised; to be set by who carries it.
    """

    def __init__(self, pool: Pool, claimed: Claimed) -> None:
        self.claimed = claimed
        self.how = End("succeeded")
        self.is_lost = False
        self.task = _this_task()
        self._pool = pool

    async def check(self) -> None:
        """To be called before each call that is paid for.

        Raises:
            JobLost: the job was cancelled, or this attempt given up. Let it through.
        """
        async with self._pool.connection() as connection:
            await check(connection, self.claimed.fence)


@asynccontextmanager
async def carried(
    url: str, pool: Pool, fence: Fence, run_id: str, *, is_terminated: Callable[[], bool]
) -> AsyncIterator[RunningJob]:
    """Claim a job for a run, and write how the attempt ended.

    Args:
        url: of the database.
        pool: of connections to it.
        fence: the attempt that the run is.
        run_id: of Dagster.
        is_terminated: whether somebody has the run terminated: asked when the block is cancelled.
            If not, the job is given back.

    Raises:
        NotToRun: another run has the job, or it was cancelled, or came too late.
        JobLost: the job was cancelled, or this attempt given up.
    """
    async with AsyncExitStack() as locks:
        lock = await locks.enter_async_context(open_connection(url))
        worker_id = await become_worker(lock, executor="dagster")
        claimed = await claim_for_run(lock, worker_id, fence, run_id)
        if claimed is None:
            raise NotToRun(
                f"nothing was done: attempt {fence.attempt} at job {fence.job_id} is another run's,"
                f" or not to be made any more (`keepsake jobs show {fence.job_id}`)"
            )
        job = RunningJob(pool, claimed)
        with (
            JobLog(url),
            about(job=fence.job_id, attempt=fence.attempt, owner=claimed.owner_id),
            attempt_span(claimed),
        ):
            log.info("%s begins, run %s", claimed.type, run_id)
            watch = asyncio.create_task(_watch(url, locks, lock, worker_id, job))
            limit = asyncio.timeout(claimed.timeout.total_seconds())
            try:
                async with limit:
                    yield job
                await _end(url, job, job.how)
            except asyncio.CancelledError:
                if job.is_lost:
                    job.task.uncancel()
                    raise fence.lost() from None
                how = End("cancelled") if is_terminated() else GIVE_BACK
                await asyncio.shield(_end(url, job, how))
                raise
            except JobLost:
                raise
            except Exception as error:
                how = timed_out(claimed) if limit.expired() else failed(claimed, error)
                await _end(url, job, how)
                raise
            finally:
                watch.cancel()


def _this_task() -> "asyncio.Task[Any]":
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # we are in a coroutine
    return task


async def _watch(
    url: str, locks: AsyncExitStack, lock: AsyncConnection, worker_id: int, job: RunningJob
) -> None:
    """Cancel the job's task when the job is lost; take the lock again that a connection lost."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            await check(lock, job.claimed.fence)
        except JobLost:
            job.is_lost = True
            job.task.cancel()
            return
        except _AWAY:
            with suppress(*_AWAY):
                lock = await locks.enter_async_context(open_connection(url))
                await become_worker(lock, worker_id, executor="dagster")


async def _end(url: str, job: RunningJob, how: End) -> None:
    """Write how an attempt ended, as soon as the database answers."""
    trace_end(how)
    for _ in range(WRITE_TRIES):
        try:
            async with open_connection(url) as connection:
                counted = await end(connection, job.claimed.fence, how)
        except _AWAY:
            await asyncio.sleep(1.0)
        else:
            log.info("%s", how.said() if counted else "cancelled or given up")
            return
    log.warning("how it ended could not be written: it is found when its lock is free")
