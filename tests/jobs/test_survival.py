"""Jobs outlive the death of workers and the loss of connections, with cancels in between."""

import asyncio
import random
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg
import pytest

from keepsake.database import AsyncConnection, Pool
from keepsake.jobs.control import cancel
from keepsake.jobs.schedules import NewSchedule, add_schedule
from keepsake.jobs.submission import NewJob, submit
from tests.jobs.greetings import Greeting, column
from tests.jobs.mortal import TYPES, note

JOBS, KILLS = 160, 8


@pytest.fixture
async def workers(database_url: str) -> AsyncIterator[list[Process]]:
    """Two workers; those that are killed are replaced by who kills them."""
    started = [await begun(database_url) for _ in range(2)]
    yield started
    for worker in started:
        with suppress(ProcessLookupError):
            worker.kill()
        await worker.wait()


async def begun(url: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.jobs.mortal", url, stderr=asyncio.subprocess.DEVNULL
    )


async def surely(pool: Pool, work: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
    """What `work` comes to, as soon as a connection lasts for it."""
    while True:
        with suppress(psycopg.OperationalError, psycopg.InterfaceError):
            async with pool.connection() as connection:
                return await work(connection)


async def prepare(connection: AsyncConnection) -> None:
    """A table of effects, one of cancels, and a schedule."""
    await connection.execute(
        "CREATE TABLE public.notes (job_id bigint PRIMARY KEY, at timestamptz);"
        "CREATE TABLE public.cancels (job_id bigint, at timestamptz)"
    )
    new = NewSchedule(note, "s", "* * * * *", missed="catch_up", overlap="queue")
    await add_schedule(connection, new)


async def cancel_one(connection: AsyncConnection) -> None:
    for job_id in await column(
        connection, "SELECT id FROM jobs WHERE finished_at IS NULL ORDER BY random() LIMIT 1"
    ):
        if (await cancel(connection, job_id)).changed:
            await connection.execute(
                "INSERT INTO public.cancels VALUES (%s, clock_timestamp())", (job_id,)
            )


async def let_minutes_pass(connection: AsyncConnection) -> None:
    await connection.execute("UPDATE job_schedules SET next_at = next_at - interval '3 minutes'")


async def end_connections(connection: AsyncConnection) -> None:
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


async def all_ended(connection: AsyncConnection) -> None:
    while await column(  # noqa: ASYNC110  # what ends them is another process
        connection, "SELECT id FROM jobs WHERE finished_at IS NULL"
    ):
        await asyncio.sleep(0.05)


async def submit_all(pool: Pool) -> None:
    for number in range(JOBS):
        new = NewJob(TYPES[number % 3], Greeting(name=f"key {number % 2}"))
        await surely(pool, partial(submit, new=new))


async def disturb(pool: Pool, url: str, workers: list[Process]) -> None:
    chance = random.Random(7)
    for number in range(KILLS):
        await asyncio.sleep(chance.uniform(0.2, 0.6))
        await surely(pool, cancel_one)
        await surely(pool, let_minutes_pass)
        if number % 4 == 3:
            await surely(pool, end_connections)
        else:
            place = chance.randrange(len(workers))
            workers[place].kill()
            await workers[place].wait()
            workers[place] = await begun(url)


async def test_every_job_ends_once_whatever_dies(
    pool: Pool, database_url: str, workers: list[Process]
) -> None:
    await surely(pool, prepare)
    await asyncio.gather(submit_all(pool), disturb(pool, database_url, workers))
    await surely(pool, all_ended)
    async with pool.connection() as connection:
        assert await column(connection, "SELECT count(*) >= %s FROM jobs", JOBS) == [True]
        for never in NEVER:
            assert await column(connection, never) == [], never


NEVER = (
    # A job ends in one of two ways here.
    "SELECT id FROM jobs WHERE status NOT IN ('succeeded', 'cancelled')",
    # What succeeded left its effect, and nothing had one after its cancel.
    "SELECT id FROM jobs WHERE type = 'note' AND status = 'succeeded'"
    " AND id NOT IN (SELECT job_id FROM public.notes)",
    "SELECT job_id FROM public.notes JOIN public.cancels c USING (job_id) WHERE notes.at > c.at",
    "SELECT id FROM jobs JOIN public.cancels ON job_id = id WHERE status <> 'cancelled'",
    # Each attempt that began has ended, once.
    "SELECT id FROM jobs WHERE attempt <> (SELECT count(*) FROM job_attempts WHERE job_id = id)",
    # Of a key one ran at a time.
    "SELECT a.job_id FROM job_attempts a JOIN jobs x ON x.id = a.job_id"
    " JOIN jobs y ON y.concurrency_key = x.concurrency_key AND y.id <> x.id"
    " JOIN job_attempts b ON b.job_id = y.id"
    " WHERE a.started_at < b.finished_at AND b.started_at < a.finished_at",
    # The schedule missed no minute.
    "SELECT schedule_id FROM jobs WHERE schedule_id IS NOT NULL GROUP BY schedule_id"
    " HAVING count(*) <> 1 + extract(epoch FROM max(nominal_time) - min(nominal_time)) / 60",
)
