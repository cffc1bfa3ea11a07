"""Whether somebody runs the jobs."""

from datetime import UTC, datetime, timedelta

from keepsake.database import AsyncConnection, connect, open_connection
from keepsake.jobs.attempts import become_worker
from keepsake.jobs.living import living_workers, waiting
from tests.jobs.greetings import alone, given


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
        (found,) = waiting(connection)
    assert (found.executor, found.jobs) == ("internal", 2)
    assert abs(found.since - (now - timedelta(hours=1))) < timedelta(seconds=1)
