"""Keeping the table true: what was lost is found, what came too late ends, what is old leaves.

Everything here may run anywhere, any number of times and at the same time: each change is made only
to what is still as it was found.
"""

from dataclasses import dataclass, field, replace
from typing import LiteralString

from psycopg.rows import class_row

from keepsake.database import AsyncConnection, Pool
from keepsake.jobs.attempts import GIVE_BACK, Claimed, End, end, end_all
from keepsake.jobs.rows import WORKER_LOCKS

BATCH = 1_000  # rows that are deleted in one transaction

DIED = End(
    "orphaned",
    error_type="WorkerDied",
    error="its worker ended in the middle of it: see the worker's log, then retry the job",
)
OVERDUE = End(
    "timed_out",
    error_type="TimedOut",
    error="its worker did not end it in time: restart the worker, then retry the job",
)
_GRACE: LiteralString = "1 minute"  # for a worker to end by itself what takes too long


@dataclass(frozen=True)
class Found:
    """What a reconciliation found: the ids of jobs.

    Attributes:
        again: whose worker died, and which are tried again.
        orphaned: whose worker died, with no attempt left.
        timed_out: whose worker lives, and does not end them.
    """

    again: list[int] = field(default_factory=list)
    orphaned: list[int] = field(default_factory=list)
    timed_out: list[int] = field(default_factory=list)


async def reconcile(pool: Pool, *, but: int | None = None) -> Found:
    """Find jobs whose worker died, or does not end them; try them again, or end them.

    Args:
        pool: connections to the database.
        but: the worker that asks, which may just be about to take its lock again.
    """
    found = Found()
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT DISTINCT worker_id FROM jobs WHERE status = 'running'"
            " AND worker_id IS DISTINCT FROM %s AND worker_id IS NOT NULL",
            (but,),
        )
        for (worker_id,) in await cursor.fetchall():
            async with connection.transaction():
                await _settle(connection, worker_id, found)
        overdue = f"started_at + timeout < now() - interval '{_GRACE}'"
        for job in await _running(connection, overdue):
            # What its worker still does is not known: another attempt might run beside it.
            if await end(connection, job.fence, OVERDUE):
                found.timed_out.append(job.id)
    return found


async def _settle(connection: AsyncConnection, worker_id: int, found: Found) -> None:
    """Settle the jobs of a worker, if it is dead: whoever lives holds its lock.

    We hold it instead until that is committed, so it cannot come back meanwhile.
    """
    cursor = await connection.execute(
        "SELECT pg_try_advisory_xact_lock(%s::bigint + %s)", (WORKER_LOCKS, worker_id)
    )
    if await cursor.fetchone() != (True,):
        return
    jobs = await _running(connection, "worker_id = %s", worker_id)
    ends = {job.fence: replace(DIED, again_in=job.pause()) for job in jobs}
    for fence in await end_all(connection, ends):
        again = ends[fence].again_in is not None
        (found.again if again else found.orphaned).append(fence.job_id)


async def _running(
    connection: AsyncConnection, condition: LiteralString, *values: object
) -> list[Claimed]:
    async with connection.cursor(row_factory=class_row(Claimed)) as cursor:
        await cursor.execute(
            "SELECT id, attempt, attempts_left, owner_id, user_id, nominal_time, type, data,"  # noqa: S608
            " retry, timeout"
            f" FROM jobs WHERE status = 'running' AND {condition} ORDER BY id",
            values,
        )
        return await cursor.fetchall()


async def give_back_runs(connection: AsyncConnection) -> list[int]:
    """Give back the jobs that runs of Dagster have in their hands; returns their ids.

    For whoever is about to end all runs: a run that is cancelled takes it for what its job's user
    wants, unless the job is its own no longer.
    """
    jobs = await _running(connection, "executor = 'dagster'")
    given_back = await end_all(connection, dict.fromkeys((job.fence for job in jobs), GIVE_BACK))
    return [fence.job_id for fence in given_back]


async def remove_old(pool: Pool) -> int:
    """Delete the rows of jobs whose removal delay is over. Returns how many.

    Each batch is a transaction of its own, and what is locked is left for the next time.
    """
    removed = 0
    while True:
        async with pool.connection() as connection:
            cursor = await connection.execute(
                "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE remove_at <= now()"
                " ORDER BY remove_at LIMIT %s FOR UPDATE SKIP LOCKED)",
                (BATCH,),
            )
        removed += cursor.rowcount
        if cursor.rowcount < BATCH:
            return removed
