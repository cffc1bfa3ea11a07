"""The worker: a process that runs the jobs that are not Dagster's, several at a time.

It looks when it is notified, when a job has ended and once a second: first which of its jobs are no
longer its own, then what there is to claim. While the database is away its jobs go on; what they
come to is written once it is back, unless they were given up meanwhile.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import psycopg
from pydantic_core import to_jsonable_python

from keepsake.database import AsyncConnection, Pool, open_connection, open_pool
from keepsake.jobs.attempts import (
    GIVE_BACK,
    Claimed,
    End,
    attempt_span,
    become_worker,
    claim,
    end,
    failed,
    timed_out,
    trace_end,
)
from keepsake.jobs.context import JobContext
from keepsake.jobs.following import Following
from keepsake.jobs.log import JobLog
from keepsake.jobs.registry import Registry
from keepsake.jobs.rows import CHANNEL, Fence, check_json, expire
from keepsake.jobs.schedules import fire_due
from keepsake.jobs.upkeep import reconcile, remove_old
from keepsake.logs import about
from keepsake.settings import Settings
from keepsake.text.counted import counted

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
PAUSE_SECONDS = 0.01  # at least, between two looks: a flood of submissions wakes us all the time
RECONCILE_SECONDS = 30.0
RECONCILE_RUNS_SECONDS = 300.0  # those of Dagster, beside what changes of them
REMOVE_SECONDS = 3600.0
GRACE_SECONDS = 20.0  # for running jobs to end when the worker is told to; then they are given back
WAITING_PLACES = 16  # of jobs that wait for other people's servers, beside those of the others
LARGEST_RESULT = 64_000  # characters of JSON
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)


async def run_worker(url: str, registry: Registry, settings: Settings) -> None:
    """Run jobs until SIGTERM or Ctrl-C, JOBS_AT_ONCE of them at the same time."""
    worker = Worker(url, registry, settings, places=settings.jobs_at_once)
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, worker.stop)
    with JobLog(url):
        await worker.run()


class Worker:
    """One life of a worker."""

    _pool: Pool

    def __init__(
        self,
        url: str,
        registry: Registry,
        settings: Settings,
        *,
        places: int = 4,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._url, self._registry, self._settings = url, registry, settings
        self._places, self._grace_seconds = places, grace_seconds
        self._kinds = (
            (places, registry.names("internal")),
            (WAITING_PLACES, registry.names("internal", waits=True)),
        )
        self._id: int | None = None
        self._tasks: dict[Fence, asyncio.Task[None]] = {}
        self._type_of: dict[Fence, str] = {}  # of the same
        self._aside: list[asyncio.Task[None]] = []
        self._under_way: set[Fence] = set()  # attempts that have not ended and may be stopped
        self._lost: set[Fence] = set()
        self._look = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """Claim nothing more, let the jobs end, and give back those that take too long."""
        self._stopping = True
        self._look.set()

    async def run(self) -> None:
        """Work until `stop`."""
        async with open_pool(self._url, size=self._places + 4) as self._pool:
            try:
                while not self._stopping:
                    try:
                        await self._live()
                    except _AWAY as error:
                        log.warning("the database is away: %s", type(error).__name__)
                        await asyncio.sleep(LOOK_SECONDS)
            finally:
                left = [*self._aside, *self._tasks.values()]
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)

    async def _live(self) -> None:
        """Work while the connection lasts that holds our lock."""
        async with open_connection(self._url) as connection:
            self._id = await become_worker(connection, self._id)
            log.info("worker %d looks for jobs, %d at a time", self._id, self._places)
            self._aside = self._aside or self._begin_aside()
            while not self._stopping:
                self._look.clear()
                await self._compare(connection, self._id)
                await self._fill(connection, self._id)
                await self._wait(LOOK_SECONDS)
            await self._wind_up(connection, self._id)

    async def _wait(self, seconds: float) -> None:
        """Until there is reason to look again."""
        await asyncio.sleep(PAUSE_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._look.wait(), seconds)

    async def _compare(self, connection: AsyncConnection, worker_id: int) -> None:
        """Stop jobs that the table does not have as ours; give back what it has and we do not.

        The first were cancelled or given up; of the second the claim broke off.
        """
        held = set(self._tasks)
        cursor = await connection.execute(
            "SELECT id, attempt FROM jobs WHERE worker_id = %s AND status = 'running'", (worker_id,)
        )
        ours = {Fence(*row) for row in await cursor.fetchall()}
        for fence in (held & self._under_way) - ours:
            self._under_way.remove(fence)  # it is told once, and may clean up
            self._lost.add(fence)
            self._tasks[fence].cancel()
        for fence in ours - held:
            await end(connection, fence, GIVE_BACK)

    async def _fill(self, connection: AsyncConnection, worker_id: int) -> None:
        for places, types in self._kinds:
            free = places - sum(each in types for each in self._type_of.values())
            if free <= 0 or not types:
                continue
            for job in await claim(connection, worker_id, types, limit=free):
                task = asyncio.create_task(self._carry(job))
                self._tasks[job.fence], self._type_of[job.fence] = task, job.type
                self._under_way.add(job.fence)
                task.add_done_callback(partial(self._forget, job.fence))

    def _forget(self, fence: Fence, _: "asyncio.Task[None]") -> None:
        self._tasks.pop(fence, None)
        self._type_of.pop(fence, None)
        self._under_way.discard(fence)
        self._lost.discard(fence)
        self._look.set()

    async def _wind_up(self, connection: AsyncConnection, worker_id: int) -> None:
        """Let jobs end, stop those that are cancelled meanwhile, and give back the others."""
        if self._tasks:
            log.info("waiting for %s to end", counted(len(self._tasks), "job"))
        deadline = time.monotonic() + self._grace_seconds
        while self._tasks and (left := deadline - time.monotonic()) > 0:
            self._look.clear()
            await self._compare(connection, worker_id)
            await self._wait(min(left, LOOK_SECONDS))
        remaining = list(self._tasks.values())
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)

    # -- one job ----------------------------------------------------------------------------------

    async def _carry(self, job: Claimed) -> None:
        with about(job=job.id, attempt=job.attempt, owner=job.owner_id), attempt_span(job):
            log.info("%s begins, worker %s", job.type, self._id)
            how = await self._attempt(job)
            self._under_way.discard(job.fence)
            if how is None or not await self._end(job, how):
                log.info("cancelled or given up")
            else:
                log.info("%s", how.said())

    async def _attempt(self, job: Claimed) -> End | None:
        """Make an attempt; how it ended. None: it does not count any more."""
        context = JobContext(
            job.fence, job.owner_id, job.user_id, job.nominal_time, self._pool, self._settings
        )
        limit = asyncio.timeout(job.timeout.total_seconds())
        try:
            job_type = self._registry.find(job.type)
            data = job_type.check(job.data)
            async with limit:
                result = await job_type.run(context, data)
            document = to_jsonable_python(result)
            check_json(document, LARGEST_RESULT, "the result")
            return End("succeeded", result=document)
        except asyncio.CancelledError:
            return None if job.fence in self._lost else GIVE_BACK
        except Exception as error:  # of any type of job: the others go on
            if limit.expired():
                return timed_out(job)
            return failed(job, error)

    async def _end(self, job: Claimed, how: End) -> bool:
        trace_end(how)
        while True:
            try:
                async with self._pool.connection() as connection:
                    return await end(connection, job.fence, how)
            except _AWAY:
                if self._stopping:  # whoever reconciles finds it
                    return False
                await asyncio.sleep(LOOK_SECONDS)

    # -- beside the jobs --------------------------------------------------------------------------

    def _begin_aside(self) -> list[asyncio.Task[None]]:
        following = Following(self._pool, self._settings.dagster_url)
        return [
            asyncio.create_task(_repeat(seconds, work))
            for seconds, work in (
                (LOOK_SECONDS, self._listen),
                (LOOK_SECONDS, self._fire_schedules),
                (LOOK_SECONDS, self._expire),
                (RECONCILE_SECONDS, self._reconcile),
                (REMOVE_SECONDS, self._remove_old),
                (LOOK_SECONDS, following.look),
                (RECONCILE_RUNS_SECONDS, following.reconcile),
            )
        ]

    async def _listen(self) -> None:
        async with open_connection(self._url) as connection:
            await connection.execute(f"LISTEN {CHANNEL}".encode())
            async for _ in connection.notifies():
                self._look.set()

    async def _fire_schedules(self) -> None:
        if count := await fire_due(self._pool, self._registry):
            log.info("%d jobs made by schedules", count)

    async def _expire(self) -> None:
        async with self._pool.connection() as connection:
            if count := await expire(connection):
                log.info("%d jobs expired", count)

    async def _reconcile(self) -> None:
        for what, ids in vars(await reconcile(self._pool, but=self._id)).items():
            for job_id in ids:
                with about(job=job_id):
                    log.warning("found without a worker that ends it: %s", what.replace("_", " "))

    async def _remove_old(self) -> None:
        if count := await remove_old(self._pool):
            log.info("%d old jobs removed", count)


async def _repeat(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except _AWAY:  # the worker says so
            pass
        except Exception as error:  # the next time may go well, and the others go on
            log.warning("%s: %s", work.__name__.strip("_"), type(error).__name__)
        await asyncio.sleep(seconds)
