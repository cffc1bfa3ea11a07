"""Jobs that carry records through a line: what is refused, and many days as a run a month."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from keepsake.database import AsyncConnection, Pool, connect, open_pool
from keepsake.errors import InvalidInput
from keepsake.job_types import REGISTRY, lines
from keepsake.jobs.attempts import End, claim_for_run, end
from keepsake.jobs.control import cancel, retry
from keepsake.jobs.listing import find_job
from keepsake.jobs.rows import Fence, Job
from keepsake.jobs.submission import NewJob, submit
from keepsake.jobs.worker import Worker
from keepsake.settings import Settings
from tests.given import given_record
from tests.jobs.greetings import column, until
from tests.running.runner import new_runner

DAYS = {"line": "family", "first": "2026-01-10", "last": "2026-04-20"}


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("process_record", {"record_id": 1, "steps": ["quote"]}, "there is no step 'quote'"),
        ("backfill_line", {**DAYS, "line": "families"}, "known: family, bookmarks, running"),
        ("backfill_line", {**DAYS, "last": "2025-01-01"}, "the last day is before the first"),
        ("backfill_line", {**DAYS, "steps": ["summaries"]}, "there is no step 'summaries'"),
        ("backfill_line", {**DAYS, "first": "2026-02-30"}, "first: Input should be a valid date"),
        ("re_embed", {"line": "running"}, "no such line has embeddings"),
    ],
)
def test_what_means_nothing_is_refused_on_submission(
    name: str, data: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        REGISTRY.find(name).check(data)


@pytest.fixture
async def pool(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    """Connections to a database with records of January, March and May."""
    monkeypatch.setattr(lines, "LOOK_SECONDS", 0.02)
    owner_id = new_runner(database_url, "Ada").owner.id
    with connect(database_url) as db:
        for month in (1, 3, 5):
            at = datetime(2026, month, 15, tzinfo=UTC)
            record = given_record(
                db, line="family", owner_id=owner_id, external_id=str(month), recorded_at=at
            )
            db.execute(
                "INSERT INTO passages (record_id, position, owner_id, text, model, dimensions,"
                " embedding) VALUES (%s, 0, %s, 'a', %s, 2, '[1,2]')",
                (record.record_id, owner_id, "old" if month == 3 else "new"),
            )
    async with open_pool(database_url, size=4) as pool:
        yield pool


@asynccontextmanager
async def working(url: str) -> AsyncIterator[None]:
    """A worker beside the block, which has no Dagster."""
    served = {"embeddings_base_url": "http://127.0.0.1:9/v1", "embeddings_model": "new"}
    settings = {**served, "embeddings_dimensions": 2}
    worker = Worker(url, REGISTRY, Settings.model_validate(settings))
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await running


async def given(connection: AsyncConnection, name: str, data: dict[str, Any]) -> int:
    return (await submit(connection, NewJob(REGISTRY.find(name), data))).id


async def finished(pool: Pool, job_id: int) -> Job:
    await until(pool, f"SELECT finished_at IS NOT NULL FROM jobs WHERE id = {job_id}")
    async with pool.connection() as connection:
        return await find_job(connection, job_id)


async def runs(pool: Pool, parent: int, *, outcome: Any = None, attempt: int = 1) -> list[Any]:
    """What the runs of a job are to do, once they are there; they end so if it is said how."""
    await until(
        pool,
        f"SELECT count(*) > 0 FROM jobs WHERE parent_id = {parent} AND status = 'pending'",
    )
    async with pool.connection() as connection:
        rows = await connection.execute(
            "SELECT id, data FROM jobs WHERE parent_id = %s AND status = 'pending' ORDER BY id",
            (parent,),
        )
        found = await rows.fetchall()
        for number, (job_id, _) in enumerate(found):
            fence = Fence(job_id, attempt)
            if outcome and await claim_for_run(connection, None, fence, "a run"):
                await end(connection, fence, End(outcome[number]))
    return [data for _, data in found]


async def test_many_days_are_a_run_for_each_month_that_has_records(
    pool: Pool, database_url: str
) -> None:
    """Those of May are outside; the first and the last month are cut."""
    async with working(database_url), pool.connection() as connection:
        data = {**DAYS, "last": "2026-03-20", "steps": ["quotes"], "redo": True}
        job_id = await given(connection, "backfill_line", data)
        asked = await runs(pool, job_id, outcome=["succeeded"] * 2)
        assert [(run["first"], run["last"]) for run in asked] == [
            ("2026-03-01", "2026-03-20"),
            ("2026-01-10", "2026-01-31"),
        ]
        assert all(run["steps"] == ["quotes"] and run["redo"] for run in asked)
        assert (await finished(pool, job_id)).result == {"runs": 2}
        assert set(await column(connection, "SELECT priority FROM jobs WHERE parent_id > 0")) == {
            -10
        }


async def test_a_run_that_failed_fails_the_whole_and_is_tried_again_with_it(
    pool: Pool, database_url: str
) -> None:
    async with working(database_url), pool.connection() as connection:
        job_id = await given(connection, "backfill_line", DAYS)
        first = await runs(pool, job_id, outcome=["succeeded", "failed"])
        job = await finished(pool, job_id)
        assert (job.status, job.attempt) == ("failed", 1)
        assert "1 of 2 runs did not succeed" in str(job.error)
        await retry(connection, job_id)
        assert await runs(pool, job_id, outcome=["succeeded"], attempt=3) == first[1:]
        assert (await finished(pool, job_id)).result == {"runs": 2}


async def test_to_cancel_the_whole_cancels_its_runs(pool: Pool, database_url: str) -> None:
    async with working(database_url), pool.connection() as connection:
        job_id = await given(connection, "backfill_line", DAYS)
        await runs(pool, job_id)
        assert len((await cancel(connection, job_id)).children) == 2


async def test_days_without_records_need_no_run(pool: Pool, database_url: str) -> None:
    async with working(database_url), pool.connection() as connection:
        data = {**DAYS, "first": "2020-01-01", "last": "2020-12-31"}
        job_id = await given(connection, "backfill_line", data)
        assert (await finished(pool, job_id)).result == {"runs": 0}


async def test_embeddings_of_another_model_are_made_again(pool: Pool, database_url: str) -> None:
    async with working(database_url), pool.connection() as connection:
        job_id = await given(connection, "re_embed", {"line": "family"})
        [run] = await runs(pool, job_id, outcome=["succeeded"])
        assert (run["first"], run["last"]) == ("2026-03-01", "2026-03-31")
        assert (run["steps"], run["mode"], run["redo"]) == (["embeddings"], "all", False)
        assert (await finished(pool, job_id)).result == {"runs": 1}
