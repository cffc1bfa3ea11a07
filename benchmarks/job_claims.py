"""How many jobs a second are claimed, ended and submitted, with few pending and with 100,000.

Four workers on a durable database (the disk's time counts). Among the 100,000 are urgent ones that
are not due, and 10,000 that wait for one with the same concurrency key: what a claim must not walk
through. A worker with free places claims as many jobs as it has.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks.api import own_database
from benchmarks.results import Figure
from keepsake.database import AsyncConnection, open_pool
from keepsake.jobs.attempts import Claimed, End, become_worker, claim, end
from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import JobData, job
from keepsake.jobs.submission import NewJob, submit

WORKERS = 4
PLACES = 10  # of a worker
SECONDS = 4.0
PENDING = 100_000


@job("benchmark", JobData, description="Does nothing.")
async def nothing(context: JobContext, data: JobData) -> None:
    """What no worker here runs."""


def run() -> list[Figure]:
    """Measure on a database of its own."""
    with own_database() as url:
        return asyncio.run(_measured(url))


async def _measured(url: str) -> list[Figure]:
    async with open_pool(url, size=WORKERS + 1) as pool:

        async def a_second(
            work: Callable[[AsyncConnection, int], Coroutine[Any, Any, int]],
        ) -> float:
            async def worker() -> int:
                done = 0
                async with pool.connection() as connection:
                    worker_id = await become_worker(connection)
                    while time.monotonic() < deadline:
                        done += await work(connection, worker_id)
                return done

            deadline = time.monotonic() + SECONDS
            return sum(await asyncio.gather(*(worker() for _ in range(WORKERS)))) / SECONDS

        async with pool.connection() as connection:
            submitted = await a_second(_submit)
            await _fill(connection, due=30_000)
            few = await a_second(_claim_one)
            await _fill(connection, due=60_000)
            few_at_once = await a_second(_claim_many)
            await _fill(connection, due=60_000, waiting=PENDING)
            many = await a_second(_claim_one)
            await _fill(connection, due=60_000, waiting=PENDING)
            many_at_once = await a_second(_claim_many)
            await _fill(connection, due=60_000, waiting=PENDING)
            carried = await a_second(_carry_many)
    return [
        Figure("jobs submitted", submitted, "a second", note="one a transaction"),
        Figure("jobs claimed one by one", few, "a second"),
        Figure(
            f"the same, with {PENDING:,} more pending",
            many,
            "a second",
            at_least=0.7 * few,
            note="at most 30% slower than with few",
        ),
        Figure(f"jobs claimed by up to {PLACES}", few_at_once, "a second", at_least=2_000),
        Figure(
            f"the same, with {PENDING:,} more pending", many_at_once, "a second", at_least=2_000
        ),
        Figure(
            f"jobs claimed by up to {PLACES} and ended, with {PENDING:,} more pending",
            carried,
            "a second",
        ),
    ]


async def _fill(connection: AsyncConnection, *, due: int, waiting: int = 0) -> None:
    """Have so many jobs due, and among them so many that a claim must pass by."""
    await connection.execute("TRUNCATE jobs CASCADE")
    await connection.execute(
        "INSERT INTO jobs (type, executor, status, attempt, concurrency_key)"
        " VALUES ('benchmark', 'internal', 'running', 1, 'taken')"
    )
    for count, priority, due_at, key in (
        (due, 0, "-1 minute", None),
        (waiting * 4 // 10, 0, "1 hour", None),
        (waiting * 5 // 10, 10, "1 hour", None),
        (waiting // 10, 0, "-1 hour", "taken"),
    ):
        await connection.execute(
            "INSERT INTO jobs (type, tag, executor, priority, due_at, concurrency_key, has_turn,"
            " metadata)"
            " SELECT 'benchmark', n || '/' || %(priority)s || %(due)s || coalesce(%(key)s, ''),"
            " 'internal', %(priority)s, now() + %(due)s::interval + n * interval '1 ms', %(key)s,"
            " %(key)s::text IS NULL,"
            " jsonb_build_object('number', n)"
            " FROM generate_series(1, %(count)s) AS n",
            {"count": count, "priority": priority, "due": due_at, "key": key},
        )
    await connection.execute("VACUUM ANALYZE jobs")


async def _submit(connection: AsyncConnection, worker_id: int) -> int:
    await submit(connection, NewJob(nothing, tag=f"{worker_id}/{time.monotonic_ns()}"))
    return 1


async def _claim(connection: AsyncConnection, worker_id: int, limit: int) -> list[Claimed]:
    return await claim(connection, worker_id, ["benchmark"], limit=limit)


async def _claim_one(connection: AsyncConnection, worker_id: int) -> int:
    return len(await _claim(connection, worker_id, 1))


async def _claim_many(connection: AsyncConnection, worker_id: int) -> int:
    return len(await _claim(connection, worker_id, PLACES))


async def _carry_many(connection: AsyncConnection, worker_id: int) -> int:
    claimed = await _claim(connection, worker_id, PLACES)
    for each in claimed:
        await end(connection, each.fence, End("succeeded"))
    return len(claimed)
