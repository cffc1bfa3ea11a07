"""The worker: runs what is due, stops what was cancelled, loses nothing when it ends or dies."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from keepsake.database import AsyncConnection, Pool
from keepsake.errors import PermanentError, RetryableError
from keepsake.jobs.context import JobContext
from keepsake.jobs.control import cancel
from keepsake.jobs.registry import JobType, Registry, Retry
from keepsake.jobs.rows import JobLost
from keepsake.jobs.submission import NewJob
from keepsake.jobs.worker import Worker
from keepsake.settings import Settings
from tests.jobs.greetings import Greeting, column, given, greet, row, until

QUICK = Retry(attempts=2, min_seconds=0, max_seconds=0)
SETTINGS = Settings.model_validate({})


def doing(
    run: Callable[[JobContext, Greeting], Awaitable[Any]], **settings: Any
) -> JobType[Greeting]:
    """A type whose jobs do that."""
    return JobType("do", Greeting, "Does it.", run, **{"retry": QUICK, **settings})


Working = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest.fixture
def working(database_url: str) -> Working:
    """Runs a worker for some types beside a block."""

    @asynccontextmanager
    async def beside(*types: JobType[Any], **how: Any) -> AsyncIterator[Worker]:
        worker = Worker(database_url, Registry(types), SETTINGS, **how)
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            async with asyncio.timeout(20):
                await running

    return beside


async def finished(pool: Pool, job_id: int) -> dict[str, Any]:
    """The row of a job, once it is finished."""
    await until(pool, f"SELECT finished_at IS NOT NULL FROM jobs WHERE id = {job_id}")
    async with pool.connection() as connection:
        return await row(connection, job_id)


# -- what becomes of jobs -------------------------------------------------------------------------


async def test_a_job_that_is_submitted_is_run_and_its_result_kept(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    async with working(greet):
        found = await finished(pool, await given(db, data={"name": "Ben"}, owner_id=1))
    assert (found["status"], found["result"], found["attempt"]) == ("succeeded", "Hello, Ben", 1)


async def test_a_failing_job_is_tried_again_and_then_failed(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    async def fail(context: JobContext, data: Greeting) -> None:
        raise RetryableError("the provider is busy")

    kind = doing(fail)
    async with working(kind):
        found = await finished(pool, await given(db, type=kind))
    assert (found["status"], found["attempt"]) == ("failed", 2)
    assert (found["error_type"], found["error"]) == ("RetryableError", "the provider is busy")
    assert await column(db, "SELECT outcome FROM job_attempts") == ["failed", "failed"]


async def test_what_would_fail_again_is_not_tried_again(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    async def fail(context: JobContext, data: Greeting) -> None:
        raise PermanentError("audio that is no audio")

    kind = doing(fail)
    async with working(kind):
        assert (await finished(pool, await given(db, type=kind)))["attempt"] == 1


async def test_an_error_is_stored_without_what_cannot_be_and_not_at_any_length(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    async def fail(context: JobContext, data: Greeting) -> None:
        raise PermanentError("a\0b" + "c" * 9_999)

    kind = doing(fail)
    async with working(kind):
        found = await finished(pool, await given(db, type=kind))
    assert found["status"] == "failed"
    assert found["error"].startswith("a bccc")
    assert len(found["error"]) == 2_000


async def test_what_an_unexpected_error_says_is_neither_stored_nor_logged(
    pool: Pool, db: AsyncConnection, working: Working, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(context: JobContext, data: Greeting) -> None:
        raise KeyError("what grandmother said")

    kind = doing(fail)
    async with working(kind):
        found = await finished(pool, await given(db, type=kind))
    assert (found["status"], found["error_type"]) == ("failed", "KeyError")
    assert "grandmother" not in found["error"]
    assert "an unexpected error: KeyError\n" in caplog.text
    assert "what grandmother said'" not in caplog.text


async def test_what_takes_too_long_is_stopped_and_timed_out(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    async def wait(context: JobContext, data: Greeting) -> None:
        await asyncio.Event().wait()

    kind = doing(wait, timeout=timedelta(milliseconds=50))
    async with working(kind):
        found = await finished(pool, await given(db, type=kind))
    assert (found["status"], found["attempt"]) == ("timed_out", 2)


async def test_a_result_that_cannot_be_stored_fails_the_job(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    async def answer(context: JobContext, data: Greeting) -> str:
        return "a\0b"

    kind = doing(answer)
    async with working(kind):
        found = await finished(pool, await given(db, type=kind))
    assert (found["status"], found["attempt"]) == ("failed", 1)
    assert "NUL" in found["error"]


async def test_no_more_jobs_run_at_once_than_there_are_places(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    now = most = 0

    async def count(context: JobContext, data: Greeting) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1

    kind = doing(count)
    ids = [await given(db, type=kind) for _ in range(12)]
    async with working(kind, places=3):
        for job_id in ids:
            await finished(pool, job_id)
    assert most == 3


# -- cancelling -----------------------------------------------------------------------------------


async def test_a_cancelled_job_stops_in_the_middle(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def wait(context: JobContext, data: Greeting) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    kind = doing(wait)
    async with working(kind), asyncio.timeout(20):
        job_id = await given(db, type=kind)
        await begun.wait()
        await cancel(db, job_id)
        await stopped.wait()
    assert (await row(db, job_id))["status"] == "cancelled"
    assert await column(db, "SELECT outcome FROM job_attempts") == ["cancelled"]


async def test_a_cancelled_job_may_clean_up(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    begun, cleaned = asyncio.Event(), asyncio.Event()

    async def wait(context: JobContext, data: Greeting) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(10):  # other submissions let the worker look meanwhile
                async with context.pool.connection() as connection:
                    await given(connection, type=greet)
                await asyncio.sleep(0.02)
            cleaned.set()

    kind = doing(wait)
    async with working(kind), asyncio.timeout(20):
        job_id = await given(db, type=kind)
        await begun.wait()
        await cancel(db, job_id)
        await cleaned.wait()
    assert (await row(db, job_id))["status"] == "cancelled"


async def test_after_a_cancel_no_call_begins_and_nothing_is_written(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    calls: list[str] = []

    async def call(context: JobContext, data: Greeting) -> None:
        await context.check_cancelled()
        calls.append("paid for")
        async with pool.connection() as connection:
            await cancel(connection, context.fence.job_id)
        for step in (JobContext.check_cancelled, in_transaction, child):
            with suppress(JobLost):
                await step(context)
                calls.append("went on")

    async def in_transaction(context: JobContext) -> None:
        async with context.transaction():
            calls.append("written")

    async def child(context: JobContext) -> None:
        await context.submit(NewJob(greet))

    kind = doing(call)
    async with working(kind):
        found = await finished(pool, await given(db, type=kind))
    assert found["status"] == "cancelled"
    assert calls == ["paid for"]
    assert await column(db, "SELECT count(*) FROM jobs") == [1]


async def test_a_job_of_an_owner_submits_none_of_another_and_the_systems_own_may(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    async def hand_over(context: JobContext, data: Greeting) -> None:
        await context.submit(NewJob(greet, owner_id=2))

    kind = doing(hand_over)
    async with working(kind):
        refused = await finished(pool, await given(db, type=kind, owner_id=1))
        done = await finished(pool, await given(db, type=kind))
    assert (refused["status"], refused["error_type"]) == ("failed", "InvalidInput")
    assert "is of owner 1, and so are the jobs that it submits" in refused["error"]
    assert done["status"] == "succeeded"
    assert await column(db, "SELECT owner_id FROM jobs WHERE parent_id IS NOT NULL") == [2]


async def test_a_cancel_waits_for_what_a_job_is_writing(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    writing = asyncio.Event()

    async def write(context: JobContext, data: Greeting) -> None:
        async with context.transaction() as connection:
            await connection.execute("UPDATE owners SET name = 'Augusta' WHERE id = 1")
            writing.set()
            await until(
                pool,
                "SELECT EXISTS (SELECT FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock')",
            )
        await asyncio.Event().wait()  # else the end of the job might be written first

    kind = doing(write)
    async with working(kind), asyncio.timeout(20):
        job_id = await given(db, type=kind)
        await writing.wait()
        assert (await cancel(db, job_id)).changed
    assert await column(db, "SELECT name FROM owners WHERE id = 1") == ["Augusta"]
    assert (await row(db, job_id))["status"] == "cancelled"


# -- its end --------------------------------------------------------------------------------------


async def test_a_worker_that_is_told_to_end_lets_jobs_end_and_gives_back_the_others(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    begun = asyncio.Semaphore(0)

    async def work(context: JobContext, data: Greeting) -> None:
        begun.release()
        await asyncio.sleep(0.3 if data.name == "short" else 60)

    kind = doing(work, retry=Retry(attempts=1))
    short, long = [await given(db, type=kind, data={"name": n}) for n in ("short", "long")]
    async with working(kind, grace_seconds=1.5), asyncio.timeout(20):
        await begun.acquire()
        await begun.acquire()
    assert (await row(db, short))["status"] == "succeeded"
    given_back = await row(db, long)
    assert (given_back["status"], given_back["attempts_left"]) == ("pending", 1)


async def test_a_job_survives_the_loss_of_all_connections(
    pool: Pool, db: AsyncConnection, working: Working
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(context: JobContext, data: Greeting) -> str:
        begun.set()
        await go_on.wait()
        return "done"

    kind = doing(wait)
    job_id = await given(db, type=kind)
    async with working(kind), asyncio.timeout(20):
        await begun.wait()
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        go_on.set()
        found = await finished(pool, job_id)
    assert (found["status"], found["attempt"], found["result"]) == ("succeeded", 1, "done")


async def test_the_job_of_a_killed_worker_is_taken_up_by_another(
    pool: Pool, db: AsyncConnection, working: Working, database_url: str
) -> None:
    job_id = await given(db, data={"name": "Ben"})
    dying = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.jobs.doomed", database_url
    )
    try:
        await until(pool, f"SELECT status = 'running' FROM jobs WHERE id = {job_id}")
    finally:
        dying.kill()
        await dying.wait()
    await db.execute("UPDATE jobs SET due_at = now()")
    async with working(greet):
        found = await finished(pool, job_id)
    assert (found["status"], found["result"], found["attempt"]) == ("succeeded", "Hello, Ben", 2)
    assert await column(db, "SELECT outcome FROM job_attempts ORDER BY attempt") == [
        "orphaned", "succeeded",
    ]  # fmt: skip
