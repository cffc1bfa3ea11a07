"""Types of jobs for tests, and what to ask of the table."""

import asyncio
from datetime import timedelta
from typing import Any

from psycopg.rows import dict_row

from keepsake.database import AsyncConnection, Pool
from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import JobData, Registry, Retry, job
from keepsake.jobs.submission import NewJob, submit


class Greeting(JobData):
    name: str = "Ada"
    times: int = 1


@job("greet", Greeting, description="Greets somebody.", retry=Retry(attempts=3))
async def greet(context: JobContext, data: Greeting) -> str:
    return f"Hello, {data.name}" * data.times


@job("wave", Greeting, description="Waves.", retry=Retry(attempts=1), ttl=timedelta(hours=1))
async def wave(context: JobContext, data: Greeting) -> None:
    pass


@job(
    "alone",
    Greeting,
    description="Runs alone for each name.",
    concurrency_key=lambda owner_id, data: f"alone/{owner_id}/{data.name}",
)
async def alone(context: JobContext, data: Greeting) -> None:
    pass


REGISTRY = Registry([greet, wave, alone])


async def given(db: AsyncConnection, **fields: Any) -> int:
    """The id of a job submitted as `fields` of `NewJob` say."""
    return (await submit(db, NewJob(fields.pop("type", greet), **fields))).id


async def row(db: AsyncConnection, job_id: int) -> dict[str, Any]:
    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SELECT * FROM jobs WHERE id = %s", (job_id,))
        found = await cursor.fetchone()
    assert found is not None
    return found


async def column(db: AsyncConnection, query: str, *values: Any) -> list[Any]:
    """The first column of what a query finds."""
    cursor = await db.execute(query.encode(), values)
    return [value for value, *_ in await cursor.fetchall()]


async def until(pool: Pool, condition: str) -> None:
    """Wait until a query finds true."""
    async with pool.connection() as connection, asyncio.timeout(20):
        while await column(connection, condition) != [True]:  # noqa: ASYNC110  # another's
            await asyncio.sleep(0.01)
