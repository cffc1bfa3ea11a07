"""Each end of a job is counted in the transaction that writes it, once, whoever ends it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from keepsake.database import AsyncConnection, Connection, Pool, connect, owner_transaction
from keepsake.jobs.attempts import Claimed, End, become_worker, claim, claim_for_run, end
from keepsake.jobs.control import cancel, retry
from keepsake.jobs.registry import Retry
from keepsake.jobs.rows import Fence, expire
from keepsake.jobs.upkeep import reconcile
from tests.jobs.greetings import REGISTRY, given
from tests.metrics.reading import times, total

ENDED = "keepsake_jobs_ended_total"
SECONDS = "keepsake_job_duration_seconds"
DELAY = "keepsake_job_start_delay_seconds"
SUCCEEDED = End("succeeded")


@pytest.fixture
def totals(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


async def one(db: AsyncConnection, worker: int = 7) -> Claimed:
    (job,) = await claim(db, worker, REGISTRY.names("internal"))
    return job


async def test_a_job_counts_when_its_last_attempt_ends(
    db: AsyncConnection, totals: Connection
) -> None:
    await given(db, retry=Retry(attempts=2))
    await end(db, (await one(db)).fence, End("failed", again_in=timedelta()))
    assert total(totals, ENDED) == {}
    await end(db, (await one(db)).fence, SUCCEEDED)
    assert total(totals, ENDED) == {("greet", "succeeded"): 1}
    assert times(totals, SECONDS) == {("greet", "succeeded"): 1}
    assert times(totals, DELAY) == {("greet",): 2}


async def test_how_long_a_job_was_due_and_took_is_measured(
    db: AsyncConnection, totals: Connection
) -> None:
    await given(db)
    job = await one(db)
    await db.execute(
        "UPDATE jobs SET started_at = now() - interval '40 s', due_at = now() - interval '100 s'"
    )
    await end(db, job.fence, SUCCEEDED)
    assert total(totals, f"{SECONDS}_bucket") == {("greet", "succeeded", "60"): 1}
    assert total(totals, f"{DELAY}_sum")["greet",] == pytest.approx(60, abs=1)


async def test_an_end_that_does_not_count_is_not_counted(
    db: AsyncConnection, totals: Connection
) -> None:
    await given(db)
    job = await one(db)
    assert await end(db, job.fence, End("failed"))
    assert not await end(db, job.fence, SUCCEEDED)  # as after an answer that was lost
    assert total(totals, ENDED) == {("greet", "failed"): 1}


async def test_a_job_that_runs_in_dagster_counts_alike(
    db: AsyncConnection, totals: Connection
) -> None:
    job_id = await given(db)
    await db.execute("UPDATE jobs SET executor = 'dagster'")
    assert await claim_for_run(db, 7, Fence(job_id, 1), "run-1")
    await end(db, Fence(job_id, 1), SUCCEEDED)
    assert total(totals, ENDED) == {("greet", "succeeded"): 1}
    assert times(totals, DELAY) == {("greet",): 1}


async def test_an_owner_who_cancels_is_counted(
    pool: Pool, db: AsyncConnection, totals: Connection
) -> None:
    waiting, running = await given(db, owner_id=1), await given(db, owner_id=1)
    await db.execute("UPDATE jobs SET due_at = now() + interval '1 h' WHERE id = %s", (waiting,))
    await one(db)
    for job_id in (waiting, running, running):
        async with owner_transaction(pool, 1) as connection:
            await cancel(connection, job_id)
    assert total(totals, ENDED) == {("greet", "cancelled"): 2}
    assert times(totals, SECONDS) == {("greet", "cancelled"): 1}, "the other had not begun"


async def test_a_job_that_is_tried_again_by_hand_counts_again(
    db: AsyncConnection, totals: Connection
) -> None:
    job_id = await given(db)
    await end(db, (await one(db)).fence, End("failed"))
    await retry(db, job_id)
    await end(db, (await one(db)).fence, SUCCEEDED)
    assert total(totals, ENDED) == {("greet", "failed"): 1, ("greet", "succeeded"): 1}


async def test_what_expires_and_what_a_dead_worker_leaves_is_counted(
    pool: Pool, db: AsyncConnection, totals: Connection
) -> None:
    await given(db, ttl=timedelta(minutes=1))
    await db.execute("UPDATE jobs SET expires_at = now()")
    await expire(db)
    for _ in range(2):
        await given(db, retry=Retry(attempts=1))
    worker = await become_worker(db)
    for _ in range(2):
        await one(db, worker)
    await db.execute("SELECT pg_advisory_unlock_all()")
    assert len((await reconcile(pool)).orphaned) == 2
    assert total(totals, ENDED) == {("greet", "expired"): 1, ("greet", "orphaned"): 2}


async def test_an_end_that_is_rolled_back_is_not_counted(
    db: AsyncConnection, totals: Connection
) -> None:
    await given(db)
    job: Any = await one(db)
    async with db.transaction(force_rollback=True):
        await end(db, job.fence, SUCCEEDED)
    assert total(totals, ENDED) == {}
