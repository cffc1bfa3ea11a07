"""Finding jobs by what is known of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keepsake.database import AsyncConnection, Pool, owner_transaction
from keepsake.errors import InvalidInput
from keepsake.jobs import listing
from keepsake.jobs.attempts import End, claim, end
from keepsake.jobs.listing import JobFilter, attempts, count_jobs, find_ids, find_job, find_jobs
from keepsake.jobs.submission import NewJob, submit
from tests.jobs.greetings import column, given, greet, wave

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


# -- by metadata and tags, for an owner -----------------------------------------------------------

CONTAINING = "SELECT unnest(jobs_containing(%s, %s, 10))"


@pytest.fixture
async def alike(db: AsyncConnection) -> list[int]:
    """Three jobs with the same metadata and tags: of owner 1, of owner 2 and of the system."""
    same: dict[str, Any] = {"tags": ["high"], "metadata": {"department": "sales"}}
    return [await given(db, owner_id=owner_id, **same) for owner_id in (1, 2, None)]


@pytest.mark.parametrize("metadata", ['{"department": "sales"}', "{}"])
@pytest.mark.parametrize("tags", [["high"], []])
async def test_the_search_past_the_policy_finds_the_owners_own_jobs_only(
    pool: Pool, alike: list[int], metadata: str, tags: list[str]
) -> None:
    for owner_id, found in ((1, alike[:1]), (2, alike[1:2]), (3, []), (None, [])):
        async with owner_transaction(pool, owner_id) as connection:
            assert await column(connection, CONTAINING, metadata, tags) == found
    async with pool.connection() as connection:  # after a transaction that was an owner's
        assert await column(connection, CONTAINING, metadata, tags) == []


@pytest.mark.parametrize("most", [1, 2])  # fewer than there are: without the index, too
@pytest.mark.parametrize("wanted", [{"tags": ["high"]}, {"metadata": {"department": "sales"}}])
async def test_an_owners_jobs_are_found_by_words_however_many_they_are(
    pool: Pool,
    db: AsyncConnection,
    alike: list[int],
    monkeypatch: pytest.MonkeyPatch,
    wanted: dict[str, Any],
    most: int,
) -> None:
    monkeypatch.setattr(listing, "MOST_CONTAINING", most)
    mine = [alike[0], await given(db, owner_id=1, **wanted)]
    await given(db, owner_id=1)
    async with owner_transaction(pool, 1) as connection:
        assert await find_ids(connection, JobFilter(**wanted)) == mine
        assert await count_jobs(connection, JobFilter(**wanted)) == {"pending": 2}
        assert await find_ids(connection, JobFilter(**wanted, before=mine[1])) == mine[:1]
    assert len(await find_jobs(db, JobFilter(**wanted))) == 4


@pytest.mark.parametrize("wanted", [{"tags": ["t7"]}, {"metadata": {"case": 7}}])
async def test_an_owners_jobs_are_found_by_words_in_the_index(
    pool: Pool, db: AsyncConnection, wanted: dict[str, Any]
) -> None:
    await db.execute(
        "INSERT INTO jobs (owner_id, type, executor, metadata, tags)"
        " SELECT 1, 'greet', 'internal', jsonb_build_object('case', n), ARRAY['t' || n]"
        " FROM generate_series(1, 5000) AS n"
    )
    await db.commit()
    await db.execute("ANALYZE jobs")
    await db.commit()
    async with owner_transaction(pool, 1) as connection:
        assert len(await find_jobs(connection, JobFilter(**wanted))) == 1
        scans = "SELECT pg_stat_get_xact_numscans(%s::regclass)"
        assert await column(connection, scans, "jobs_metadata") == [1]
        assert await column(connection, scans, "jobs") == [0]
