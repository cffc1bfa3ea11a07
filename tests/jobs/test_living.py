"""Whether somebody runs the jobs."""

from datetime import UTC, datetime, timedelta

from keepsake.database import AsyncConnection, connect, open_connection
from keepsake.jobs.attempts import become_worker
from keepsake.jobs.living import living_workers, unserved, waiting
from keepsake.jobs.registry import Registry
from tests.jobs.greetings import REGISTRY, alone, given, wave


async def test_workers_that_hold_their_lock_live_and_runs_are_none(database_url: str) -> None:
    with connect(database_url) as connection:
        async with open_connection(database_url) as first, open_connection(database_url) as run:
            worker = await become_worker(first)
            await become_worker(run, executor="dagster")
            assert living_workers(connection) == [worker]
            await first.execute("SELECT pg_advisory_unlock_all()")
            assert living_workers(connection) == []


async def test_what_is_due_waits(db: AsyncConnection, database_url: str) -> None:
    now = datetime.now(UTC)
    with connect(database_url) as connection:
        assert waiting(connection) == []
        await given(db, run_after=now + timedelta(hours=1))
        assert waiting(connection) == []
        await given(db, type=alone)  # no worker has given it its turn
        await given(db, run_after=now - timedelta(hours=1))
        first, second = waiting(connection)
    assert (first.executor, first.type, first.jobs) == ("internal", "alone", 1)
    assert (second.type, second.jobs) == ("greet", 1)
    assert (first.for_long, second.for_long) == (False, True)
    assert abs(second.since - (now - timedelta(hours=1))) < timedelta(seconds=1)


async def test_what_waits_in_vain_is_told_with_what_to_do(
    db: AsyncConnection, database_url: str
) -> None:
    with connect(database_url) as connection:
        assert unserved(connection, REGISTRY) == []
        await given(db)
        (problem,) = unserved(connection, REGISTRY)
        assert problem.what.startswith("no worker lives, and 1 job is due since ")
        assert "keepsake jobs work" in problem.remedy
        async with open_connection(database_url) as worker:
            await become_worker(worker)
            assert unserved(connection, REGISTRY) == []
            (problem,) = unserved(connection, Registry([wave]))
            assert "1 job is due" in problem.what
            assert "does not know (greet)" in problem.what
            await db.execute("UPDATE jobs SET executor = 'dagster'")
            assert unserved(connection, REGISTRY) == [], "Dagster needs a moment"
            await db.execute("UPDATE jobs SET due_at = now() - interval '6 minutes'")
            (problem,) = unserved(connection, REGISTRY)
            assert problem.what.startswith("Dagster does not start what it is to run: 1 job")
