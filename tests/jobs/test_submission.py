"""Submitting jobs: what is accepted, and one pending job for each owner and tag."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from keepsake.database import AsyncConnection, Pool, owner_transaction
from keepsake.errors import InvalidInput
from keepsake.jobs.registry import Retry
from keepsake.jobs.rows import CHANNEL
from keepsake.jobs.submission import Debounce, NewJob, submit
from tests.jobs.greetings import alone, column, given, greet, row, wave

MINUTE = timedelta(minutes=1)


# -- the row --------------------------------------------------------------------------------------


async def test_a_job_is_a_row_with_all_that_was_said(db: AsyncConnection) -> None:
    due = datetime.now(UTC) + timedelta(hours=2)
    job_id = await given(
        db,
        data={"name": "Ben"},
        owner_id=1,
        user_id=2,
        tag="greet-ben",
        run_after=due,
        priority="urgent",
        metadata={"department": "sales"},
        tags=["b", "a"],
        persistent=True,
        retry=Retry(attempts=7),
    )
    found = await row(db, job_id)
    assert found["data"] == {"name": "Ben", "times": 1}
    assert (found["owner_id"], found["user_id"], found["tag"]) == (1, 2, "greet-ben")
    assert (found["type"], found["executor"], found["status"]) == ("greet", "internal", "pending")
    assert (found["due_at"], found["priority"]) == (due, 10)
    assert (found["metadata"], found["tags"]) == ({"department": "sales"}, ["a", "b"])
    assert (found["attempt"], found["attempts_left"], found["persistent"]) == (0, 7, True)
    assert found["success"] is None


async def test_a_job_of_a_transaction_that_is_rolled_back_is_not_there(db: AsyncConnection) -> None:
    async with db.transaction(force_rollback=True):
        await given(db)
    assert await column(db, "SELECT id FROM jobs") == []


async def test_workers_are_woken_when_the_submission_is_committed(
    db: AsyncConnection, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as listening:
        await listening.execute(f"LISTEN {CHANNEL}")
        await given(db)
        woken = [each async for each in listening.notifies(timeout=10, stop_after=1)]
    assert len(woken) == 1


# -- one pending job a tag ------------------------------------------------------------------------


async def test_a_second_job_of_a_tag_is_the_first_and_says_so(db: AsyncConnection) -> None:
    first = await submit(db, NewJob(greet, {"name": "Ada"}, owner_id=1, tag="t"))
    second = await submit(db, NewJob(greet, {"name": "Ben"}, owner_id=1, tag="t"))
    assert (first.created, second.created) == (True, False)
    assert second.id == first.id
    assert (await row(db, first.id))["data"]["name"] == "Ada", "frozen when it was submitted"


async def test_a_tag_is_of_an_owner_and_the_systems_own_jobs_have_theirs(
    db: AsyncConnection,
) -> None:
    ids = [await given(db, owner_id=owner, tag="t") for owner in (1, 2, None, 1, 2, None)]
    assert len(set(ids)) == 3


async def test_jobs_without_a_tag_are_all_made(db: AsyncConnection) -> None:
    assert await given(db) != await given(db)


async def test_a_tag_is_free_again_once_its_job_has_begun(db: AsyncConnection) -> None:
    first = await given(db, tag="t")
    await db.execute("UPDATE jobs SET status = 'running', attempt = 1 WHERE id = %s", (first,))
    assert await given(db, tag="t") != first


async def test_what_waits_for_another_attempt_is_pending_too(db: AsyncConnection) -> None:
    first = await given(db, tag="t")
    await db.execute("UPDATE jobs SET attempt = 1 WHERE id = %s", (first,))
    assert await given(db, tag="t") == first


async def test_of_many_submissions_at_once_one_makes_the_job(pool: Pool) -> None:
    async def one() -> tuple[int, bool]:
        async with pool.connection() as connection:
            submission = await submit(connection, NewJob(greet, owner_id=1, tag="t"))
            return submission.id, submission.created

    results = await asyncio.gather(*(one() for _ in range(40)))
    assert len({job_id for job_id, _ in results}) == 1
    assert sum(created for _, created in results) == 1


async def test_a_tag_pending_for_another_type_is_refused(db: AsyncConnection) -> None:
    first = await given(db, tag="t")
    with pytest.raises(InvalidInput, match=f"job {first} .* is of type greet: choose another tag"):
        await given(db, type=wave, tag="t")


async def test_a_pending_job_that_came_too_late_makes_room(db: AsyncConnection) -> None:
    first = await given(db, tag="t", ttl=MINUTE)
    await db.execute("UPDATE jobs SET expires_at = now() - interval '1 second'")
    second = await submit(db, NewJob(greet, tag="t"))
    assert second.created
    assert (await row(db, first))["status"] == "expired"


async def test_an_owner_submits_within_its_own_transaction(pool: Pool, db: AsyncConnection) -> None:
    of_the_system = await given(db, tag="t")
    async with owner_transaction(pool, 1) as connection:
        submission = await submit(connection, NewJob(greet, owner_id=1, tag="t"))
        assert submission.created
        assert (await submit(connection, NewJob(greet, owner_id=1, tag="t"))).id == submission.id
        assert await column(connection, "SELECT id FROM jobs") == [submission.id]
    assert submission.id != of_the_system
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with owner_transaction(pool, 1) as connection:
            await submit(connection, NewJob(greet, owner_id=2))


# -- debouncing -----------------------------------------------------------------------------------


async def test_debouncing_puts_a_job_off_and_takes_the_newest_data(db: AsyncConnection) -> None:
    debounce = Debounce(MINUTE, 10 * MINUTE)
    first = await submit(db, NewJob(greet, {"name": "Ada"}, tag="t", debounce=debounce))
    before = (await row(db, first.id))["due_at"]
    second = await submit(db, NewJob(greet, {"name": "Ben"}, tag="t", debounce=debounce))
    found = await row(db, first.id)
    assert (second.id, second.created) == (first.id, False)
    assert found["due_at"] > before
    assert found["data"]["name"] == "Ben"


async def test_debouncing_puts_a_job_off_no_longer_than_it_says(db: AsyncConnection) -> None:
    debounce = Debounce(MINUTE, 10 * MINUTE)
    job_id = await given(db, tag="t", debounce=debounce)
    await db.execute("UPDATE jobs SET created_at = now() - interval '9 minutes 30 seconds'")
    await given(db, tag="t", debounce=debounce)
    found = await row(db, job_id)
    assert found["due_at"] == found["created_at"] + 10 * MINUTE


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"data": {"nom": "Ada"}}, "does not fit a job of type greet: nom: Extra"),
        ({"data": []}, r"does not fit a job of type greet.* \(it takes: name, times\)"),
        ({"tag": "t" * 10_000}, "the tag has 10,000 characters; at most 200"),
        ({"tag": " "}, "the tag is empty"),
        ({"tag": "a\0b"}, "cannot be printed"),
        ({"tags": ["x"] * 21}, "21 tags were given; at most 20"),
        ({"tags": ["x" * 201]}, "one of the tags has 201 characters"),
        ({"run_after": datetime(1970, 1, 1, tzinfo=UTC)}, "1970.* is not within the next five"),
        ({"run_after": datetime(9999, 1, 1, tzinfo=UTC)}, "9999.* is not within the next five"),
        ({"run_after": datetime(2026, 12, 1)}, "has no time zone"),
        ({"priority": "highest"}, "priority 'highest' is none of low, normal, urgent"),
        ({"ttl": timedelta()}, "the ttl must be from 1 s to five years"),
        ({"removal_delay": -MINUTE}, "the removal delay must be from 0 s"),
        ({"metadata": [1]}, "the metadata is no object"),
        ({"metadata": {"a": "b" * 20_000}}, "the metadata has 20,0.. characters as JSON; at most"),
        ({"metadata": {"a": "b\0"}}, "character NUL"),
        ({"metadata": {"a": float("nan")}}, "JSON has no form for"),
        ({"metadata": {"a": "\ud800"}}, "JSON has no form for"),
        ({"data": {"name": "b" * 300_000}}, "the data has 300,0.. characters"),
        ({"debounce": Debounce(MINUTE, MINUTE)}, "debouncing needs a tag"),
        ({"tag": "t", "debounce": Debounce(2 * MINUTE, MINUTE)}, "shorter than its delay"),
    ],
)
async def test_what_is_not_accepted_is_refused_and_nothing_stored(
    db: AsyncConnection, fields: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidInput, match=why):
        await given(db, **fields)
    assert await column(db, "SELECT id FROM jobs") == []


async def test_a_backslash_before_zeros_is_no_nul(db: AsyncConnection) -> None:
    job_id = await given(db, metadata={"a": "C:\\u0000"})
    assert (await row(db, job_id))["metadata"] == {"a": "C:\\u0000"}


async def test_types_say_how_long_a_job_is_worth_starting_and_what_it_excludes(
    db: AsyncConnection,
) -> None:
    found = await row(db, await given(db, type=wave))
    assert found["expires_at"] - found["created_at"] == timedelta(hours=1)
    found = await row(db, await given(db, type=alone, owner_id=2, data={"name": "Ben"}))
    assert found["concurrency_key"] == "alone/2/Ben"
