"""Cancelling jobs and trying them again."""

import asyncio
from datetime import timedelta

import pytest

from keepsake.database import AsyncConnection, Pool, owner_transaction
from keepsake.errors import InvalidInput
from keepsake.jobs.attempts import End, claim, end
from keepsake.jobs.control import Cancelled, cancel, retry
from keepsake.jobs.registry import Retry
from keepsake.jobs.rows import Fence, JobLost
from keepsake.jobs.submission import NewJob, submit
from tests.jobs.greetings import column, given, greet, row, until


async def running(db: AsyncConnection, **fields: object) -> Fence:
    """A job that a worker has begun."""
    await given(db, **fields)
    (job,) = await claim(db, 7, ["greet"])
    return job.fence


# -- cancelling -----------------------------------------------------------------------------------


async def test_a_pending_job_is_cancelled_and_never_claimed(db: AsyncConnection) -> None:
    job_id = await given(db)
    assert await cancel(db, job_id) == Cancelled(job_id, "cancelled", True)
    found = await row(db, job_id)
    assert (found["status"], found["cancel_requested"]) == ("cancelled", True)
    assert (found["success"], found["finished_at"] is None) == (False, False)
    assert found["remove_at"] is not None
    assert await claim(db, 7, ["greet"]) == []


async def test_a_running_job_is_cancelled_at_once_and_its_attempt_writes_no_more(
    db: AsyncConnection,
) -> None:
    fence = await running(db)
    assert (await cancel(db, fence.job_id)).changed
    assert not await end(db, fence, End("succeeded"))
    assert not await end(db, fence, End("failed", again_in=timedelta()))
    with pytest.raises(JobLost, match="attempt 1 at job 1 was cancelled"):
        await submit(db, NewJob(greet, parent=fence))
    assert (await row(db, fence.job_id))["status"] == "cancelled"
    assert await column(db, "SELECT outcome FROM job_attempts") == ["cancelled"]


async def test_to_cancel_what_is_finished_changes_nothing_and_says_so(db: AsyncConnection) -> None:
    fence = await running(db)
    child = (await submit(db, NewJob(greet, parent=fence))).id
    await end(db, fence, End("succeeded"))
    before = await row(db, fence.job_id)
    assert await cancel(db, fence.job_id) == Cancelled(fence.job_id, "succeeded", False)
    assert await row(db, fence.job_id) == before
    assert (await row(db, child))["status"] == "pending"


async def test_the_children_of_a_job_are_cancelled_with_it(db: AsyncConnection) -> None:
    fence = await running(db)
    child = (await submit(db, NewJob(greet, parent=fence))).id
    (begun,) = await claim(db, 7, ["greet"])
    grandchild = (await submit(db, NewJob(greet, parent=begun.fence))).id
    other = await given(db)
    assert (await cancel(db, fence.job_id)).children == (child, grandchild)
    assert (await row(db, other))["status"] == "pending"


async def test_a_child_that_is_being_submitted_is_cancelled_too(
    pool: Pool, db: AsyncConnection
) -> None:
    fence = await running(db)
    async with pool.connection() as connection:
        async with connection.transaction():
            child = (await submit(connection, NewJob(greet, parent=fence))).id
            cancelling = asyncio.create_task(cancel(db, fence.job_id))
            await until(
                pool,
                "SELECT EXISTS (SELECT FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock')",
            )
        assert (await cancelling).children == (child,)


async def test_an_owner_cancels_its_own_jobs_only(pool: Pool, db: AsyncConnection) -> None:
    mine, theirs, of_the_system = [await given(db, owner_id=owner) for owner in (1, 2, None)]
    async with owner_transaction(pool, 1) as connection:
        assert (await cancel(connection, mine)).changed
    for job_id in (theirs, of_the_system, 999):
        with pytest.raises(InvalidInput, match=f"there is no job {job_id}"):
            async with owner_transaction(pool, 1) as connection:
                await cancel(connection, job_id)
    assert await column(db, "SELECT status FROM jobs ORDER BY id") == [
        "cancelled", "pending", "pending",
    ]  # fmt: skip


# -- trying again ---------------------------------------------------------------------------------


async def test_a_failed_job_is_tried_again_with_new_attempts(db: AsyncConnection) -> None:
    fence = await running(db, retry=Retry(attempts=2))
    await end(db, fence, End("failed", error_type="OSError", error="no"))
    await retry(db, fence.job_id)
    (job,) = await claim(db, 7, ["greet"])
    assert (job.id, job.attempt, job.attempts_left) == (fence.job_id, 2, 1)
    found = await row(db, job.id)
    assert (found["error"], found["finished_at"], found["remove_at"]) == (None, None, None)


async def test_a_cancelled_job_that_is_tried_again_is_not_ended_by_its_first_attempt(
    db: AsyncConnection,
) -> None:
    fence = await running(db)
    await cancel(db, fence.job_id)
    await retry(db, fence.job_id)
    assert not await end(db, fence, End("succeeded"))
    assert (await row(db, fence.job_id))["status"] == "pending"


async def test_what_succeeded_or_is_not_finished_is_not_tried_again(db: AsyncConnection) -> None:
    fence = await running(db)
    with pytest.raises(InvalidInput, match=f"job {fence.job_id} is running"):
        await retry(db, fence.job_id)
    await end(db, fence, End("succeeded"))
    with pytest.raises(InvalidInput, match=f"job {fence.job_id} succeeded: submit another"):
        await retry(db, fence.job_id)


async def test_a_job_whose_tag_is_pending_again_is_not_tried_again(db: AsyncConnection) -> None:
    first = await given(db, tag="t")
    await cancel(db, first)
    await given(db, tag="t")
    with pytest.raises(InvalidInput, match="another job with the tag of job"):
        await retry(db, first)
