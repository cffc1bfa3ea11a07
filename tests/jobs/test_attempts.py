"""Claiming jobs and ending them: once, in order, and never for an attempt that was given up."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from keepsake.database import AsyncConnection, Pool, open_connection
from keepsake.jobs.attempts import Claimed, End, become_worker, claim, end
from keepsake.jobs.registry import Retry
from keepsake.jobs.rows import expire
from keepsake.jobs.upkeep import reconcile, remove_old
from tests.jobs.greetings import REGISTRY, alone, column, given, greet, row, until, wave

NAMES = REGISTRY.names("internal")
SUCCEEDED = End("succeeded", result="Hello")


async def claimed(db: AsyncConnection, worker: int = 7, **how: Any) -> list[Claimed]:
    return await claim(db, worker, NAMES, **how)


async def one(db: AsyncConnection) -> Claimed:
    (job,) = await claimed(db)
    return job


# -- claiming -------------------------------------------------------------------------------------


async def test_a_claim_begins_an_attempt(db: AsyncConnection) -> None:
    job_id = await given(db, data={"name": "Ben"}, owner_id=1, user_id=2)
    job = await one(db)
    assert (job.id, job.attempt, job.type, job.data["name"]) == (job_id, 1, "greet", "Ben")
    assert (job.owner_id, job.user_id, job.attempts_left) == (1, 2, 2)
    found = await row(db, job_id)
    assert (found["status"], found["worker_id"]) == ("running", 7)
    assert found["started_at"] is not None
    assert await claimed(db) == []


async def test_urgent_jobs_are_first_then_those_that_are_due_longest(db: AsyncConnection) -> None:
    now = datetime.now(UTC)
    low = await given(db, priority="low", run_after=now - timedelta(hours=3))
    late = await given(db, run_after=now - timedelta(hours=1))
    later = await given(db, run_after=now - timedelta(minutes=1))
    urgent = await given(db, priority="urgent")
    assert [(await one(db)).id for _ in range(4)] == [urgent, late, later, low]


async def test_only_what_is_due_and_of_a_known_type_is_claimed(db: AsyncConnection) -> None:
    await given(db, run_after=datetime.now(UTC) + timedelta(minutes=1))
    await given(db, type=wave)
    assert await claim(db, 7, ["greet"]) == []
    assert await claim(db, 7, NAMES, executor="dagster") == []


async def test_many_workers_claim_each_job_once(pool: Pool, db: AsyncConnection) -> None:
    ids = [await given(db) for _ in range(60)]

    async def work() -> list[int]:
        mine = []
        async with pool.connection() as connection:
            while found := await claimed(connection, limit=3):
                mine += [job.id for job in found]
        return mine

    shares = await asyncio.gather(*(work() for _ in range(5)))
    assert sorted(job_id for share in shares for job_id in share) == ids


async def test_of_jobs_with_one_key_one_runs_at_a_time(db: AsyncConnection) -> None:
    for _ in range(3):
        await given(db, type=alone)
    other = await given(db, type=alone, data={"name": "Ben"})
    first, second = await claimed(db, limit=10)
    assert {first.id, second.id} > {other}
    assert await claimed(db, limit=10) == []
    await end(db, first.fence, SUCCEEDED)
    await end(db, second.fence, SUCCEEDED)
    assert len(await claimed(db, limit=10)) == 1


async def test_a_long_line_behind_one_key_does_not_go_before_other_jobs(
    db: AsyncConnection,
) -> None:
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    first, second = [await given(db, type=alone, run_after=hour_ago) for _ in range(2)]
    running = await one(db)
    other = await given(db)
    await end(db, running.fence, SUCCEEDED)
    assert [running.id, (await one(db)).id, (await one(db)).id] == [first, other, second]


async def test_workers_at_once_keep_to_a_key(pool: Pool, db: AsyncConnection) -> None:
    for _ in range(30):
        await given(db, type=alone)

    async def work() -> int:
        done = 0
        async with pool.connection() as connection:
            while done < 5:
                for job in await claimed(connection):
                    await end(connection, job.fence, SUCCEEDED)
                    done += 1
        return done

    assert sum(await asyncio.gather(*(work() for _ in range(6)))) == 30


# -- ending ---------------------------------------------------------------------------------------


async def test_a_job_that_succeeds_has_its_result_and_leaves_after_its_delay(
    db: AsyncConnection,
) -> None:
    job_id = await given(db, removal_delay=timedelta(days=2))
    assert await end(db, (await one(db)).fence, SUCCEEDED)
    found = await row(db, job_id)
    assert (found["status"], found["success"], found["result"]) == ("succeeded", True, "Hello")
    assert found["remove_at"] - found["finished_at"] == timedelta(days=2)
    assert await column(db, "SELECT outcome FROM job_attempts") == ["succeeded"]


async def test_a_job_that_fails_is_tried_again_as_the_same_row(db: AsyncConnection) -> None:
    job_id = await given(db, tag="t")
    first = await one(db)
    pause = first.pause()
    assert pause is not None
    await end(db, first.fence, End("failed", error_type="OSError", error="no", again_in=pause))
    found = await row(db, job_id)
    assert (found["status"], found["error"], found["attempts_left"]) == ("pending", "no", 2)
    assert await claimed(db) == [], "not before the pause is over"
    await db.execute("UPDATE jobs SET due_at = now()")
    second = await one(db)
    assert (second.id, second.attempt) == (job_id, 2)


async def test_a_retry_does_not_collide_with_what_was_submitted_meanwhile(
    db: AsyncConnection,
) -> None:
    first = await given(db, tag="t")
    job = await one(db)
    second = await given(db, tag="t")
    assert await end(db, job.fence, End("failed", again_in=timedelta()))
    assert {each.id for each in await claimed(db, limit=5)} == {first, second}


async def test_no_pause_is_left_after_the_last_attempt(db: AsyncConnection) -> None:
    await given(db, retry=Retry(attempts=1))
    assert (await one(db)).pause() is None


async def test_what_was_given_back_keeps_its_attempts(db: AsyncConnection) -> None:
    await given(db, retry=Retry(attempts=1))
    await end(db, (await one(db)).fence, End("given_back", again_in=timedelta()))
    job = await one(db)
    assert (job.attempt, job.attempts_left) == (2, 0)


async def test_an_attempt_that_was_given_up_ends_nothing(db: AsyncConnection) -> None:
    job_id = await given(db)
    zombie = await one(db)
    await end(db, zombie.fence, End("orphaned", again_in=timedelta()))
    assert not await end(db, zombie.fence, SUCCEEDED), "while it waits for the next"
    now = await one(db)
    assert not await end(db, zombie.fence, SUCCEEDED), "while the next runs"
    assert await end(db, now.fence, End("failed"))
    assert not await end(db, zombie.fence, SUCCEEDED), "once it is finished"
    assert not await end(db, now.fence, SUCCEEDED), "nor is it ended twice"
    assert (await row(db, job_id))["status"] == "failed"
    assert await column(db, "SELECT outcome FROM job_attempts ORDER BY attempt") == [
        "orphaned",
        "failed",
    ]


# -- upkeep ---------------------------------------------------------------------------------------


async def test_what_was_not_begun_in_time_expires_and_is_not_claimed(db: AsyncConnection) -> None:
    job_id = await given(db, ttl=timedelta(minutes=1))
    again = await given(db, ttl=timedelta(minutes=1))
    await db.execute("UPDATE jobs SET attempt = 1 WHERE id = %s", (again,))
    await db.execute("UPDATE jobs SET expires_at = now()")
    assert [job.id for job in await claimed(db, limit=5)] == [again], "it had begun in time"
    assert await expire(db) == 1
    assert (await row(db, job_id))["status"] == "expired"


async def test_jobs_of_a_worker_that_died_are_tried_again_or_orphaned(
    pool: Pool, db: AsyncConnection, database_url: str
) -> None:
    first = await given(db)
    last = await given(db, retry=Retry(attempts=1))
    async with open_connection(database_url) as connection:
        worker = await become_worker(connection)
        assert len(await claimed(connection, worker, limit=2)) == 2
        assert not any(vars(await reconcile(pool)).values()), "its worker lives"
    await until(
        pool,
        "SELECT NOT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
        " WHERE l.locktype = 'advisory' AND d.datname = current_database())",
    )
    found = await reconcile(pool)
    assert (found.again, found.orphaned) == ([first], [last])
    orphan = await row(db, last)
    assert (orphan["status"], orphan["error_type"]) == ("orphaned", "WorkerDied")
    assert (await row(db, first))["status"] == "pending"
    assert not any(vars(await reconcile(pool)).values()), "there is nothing more to find"


async def test_a_worker_takes_its_lock_from_a_connection_that_it_lost(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepsake.jobs.attempts.LOCK_TIMEOUT_MS", 50)
    async with open_connection(database_url) as lost, open_connection(database_url) as new:
        worker = await become_worker(lost)
        assert await become_worker(new, worker) == worker
        with pytest.raises(psycopg.OperationalError):
            await lost.execute("SELECT 1")


async def test_a_job_that_its_worker_does_not_end_is_timed_out(
    pool: Pool, db: AsyncConnection
) -> None:
    worker = await become_worker(db)
    job_id = await given(db)
    (job,) = await claimed(db, worker)
    await db.execute("UPDATE jobs SET started_at = started_at - interval '70 minutes'")
    assert (await reconcile(pool)).timed_out == [job_id]
    assert not await end(db, job.fence, SUCCEEDED)


async def test_old_jobs_leave_and_persistent_ones_stay(pool: Pool, db: AsyncConnection) -> None:
    stays = await given(db, persistent=True)
    parent = await given(db)
    later = await given(db, removal_delay=timedelta(days=90))
    for job in await claimed(db, limit=5):
        await end(db, job.fence, SUCCEEDED)
    pending = await given(db)
    await db.execute("UPDATE jobs SET remove_at = remove_at - interval '31 days'")
    await db.execute("UPDATE jobs SET parent_id = %s WHERE id <> %s", (parent, parent))
    assert await remove_old(pool) == 1
    assert await column(db, "SELECT id FROM jobs ORDER BY id") == [stays, later, pending]
    assert await column(db, "SELECT count(*) FROM job_attempts") == [2]


async def test_removal_goes_on_until_nothing_is_left(
    pool: Pool, db: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepsake.jobs.upkeep.BATCH", 2)
    for _ in range(5):
        await given(db, type=greet, removal_delay=timedelta())
    for job in await claimed(db, limit=5):
        await end(db, job.fence, SUCCEEDED)
    assert await remove_old(pool) == 5
