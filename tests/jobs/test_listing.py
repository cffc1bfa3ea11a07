"""Finding jobs by what is known of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keepsake.database import AsyncConnection, Pool, owner_transaction
from keepsake.errors import InvalidInput
from keepsake.jobs.attempts import End, claim, end
from keepsake.jobs.listing import JobFilter, attempts, count_jobs, find_job, find_jobs
from keepsake.jobs.submission import NewJob, submit
from tests.jobs.greetings import given, greet, wave

NOW = datetime.now(UTC)


@pytest.fixture
async def some(db: AsyncConnection) -> list[int]:
    """A failed job; one of another type and owner, with words; a child of the first."""
    failed = await given(db, owner_id=1, user_id=1, tag="first")
    (job,) = await claim(db, 7, ["greet"])
    wave_id = await given(
        db,
        type=wave,
        owner_id=2,
        tags=["sales", "high"],
        metadata={"department": "sales", "of": {"year": 2026}},
    )
    child = (await submit(db, NewJob(greet, owner_id=1, parent=job.fence))).id
    await end(db, job.fence, End("failed", error_type="OSError", error="no"))
    return [failed, wave_id, child]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [2, 1, 0]),
        ({"statuses": ["failed"]}, [0]),
        ({"statuses": ["failed", "pending"]}, [2, 1, 0]),
        ({"type": "wave"}, [1]),
        ({"tag": "first"}, [0]),
        ({"tags": ["sales"]}, [1]),
        ({"tags": ["sales", "low"]}, []),
        ({"metadata": {"department": "sales"}}, [1]),
        ({"metadata": {"of": {"year": 2026}}}, [1]),
        ({"metadata": {"department": "support"}}, []),
        ({"owner_id": 1}, [2, 0]),
        ({"user_id": 1}, [0]),
        ({"parent_id": 1}, [2]),
        ({"since": NOW - timedelta(days=1), "until": NOW + timedelta(days=1)}, [2, 1, 0]),
        ({"until": NOW - timedelta(days=1)}, []),
        ({"before": 2}, [0]),
        ({"owner_id": 1, "statuses": ["pending"]}, [2]),
    ],
)
async def test_jobs_are_found_the_newest_first(
    db: AsyncConnection, some: list[int], wanted: dict[str, Any], found: list[int]
) -> None:
    jobs = await find_jobs(db, JobFilter(**wanted))
    assert [job.id for job in jobs] == [some[place] for place in found]


async def test_no_more_are_found_than_asked_for(db: AsyncConnection, some: list[int]) -> None:
    assert [job.id for job in await find_jobs(db, JobFilter(), limit=1)] == some[-1:]


@pytest.mark.parametrize(
    ("wanted", "most", "counts"),
    [
        ({}, None, {"pending": 2, "failed": 1}),
        ({}, 1, {"pending": 1, "failed": 1}),
        ({"type": "wave"}, None, {"pending": 1}),
        ({"statuses": ["failed", "succeeded"]}, 9, {"failed": 1}),
        ({"statuses": ["succeeded"]}, None, {}),
    ],
)
async def test_jobs_are_counted_by_status_and_no_further_than_asked(
    db: AsyncConnection,
    some: list[int],
    wanted: dict[str, Any],
    most: int | None,
    counts: dict[str, int],
) -> None:
    assert await count_jobs(db, JobFilter(**wanted), most=most) == counts


async def test_an_unknown_status_is_refused(db: AsyncConnection) -> None:
    with pytest.raises(InvalidInput, match=r"no status 'done' .*succeeded"):
        await find_jobs(db, JobFilter(statuses=["done"]))


async def test_a_job_is_shown_with_its_attempts(db: AsyncConnection, some: list[int]) -> None:
    job = await find_job(db, some[0])
    assert (job.status, job.success, job.error) == ("failed", False, "no")
    (attempt,) = await attempts(db, some[0])
    assert (attempt.attempt, attempt.outcome, attempt.error_type) == (1, "failed", "OSError")
    assert attempt.started_at <= attempt.finished_at
    assert await attempts(db, some[1]) == []


async def test_an_owner_finds_its_own_jobs_only(
    pool: Pool, db: AsyncConnection, some: list[int]
) -> None:
    await given(db)
    async with owner_transaction(pool, 2) as connection:
        assert [job.id for job in await find_jobs(connection, JobFilter())] == [some[1]]
        with pytest.raises(InvalidInput, match=f"there is no job {some[0]}"):
            await find_job(connection, some[0])
        assert await attempts(connection, some[0]) == []
