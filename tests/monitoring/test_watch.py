"""One process monitors, whichever lives."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from keepsake.database import Connection, Pool
from keepsake.monitoring import watch
from keepsake.monitoring.watch import run_monitor
from keepsake.settings import Settings, load_settings


@pytest.fixture
def settings() -> Settings:
    return load_settings()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at once."""
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.02)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


@asynccontextmanager
async def monitoring(url: str, settings: Settings) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_monitor(url, settings, stop))
    yield stop
    stop.set()
    await asyncio.wait_for(task, 30)


async def test_it_keeps_snapshots(db: Connection, database_url: str, settings: Settings) -> None:
    async with monitoring(database_url, settings):
        await until(lambda: db.execute("SELECT FROM metric_snapshots").rowcount)


async def test_one_of_two_does_the_duties_and_the_other_takes_over(
    database_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Pool] = []

    async def duty(pool: Pool, _: Settings) -> None:
        done.append(pool)

    monkeypatch.setattr(watch, "DUTIES", ((0.01, duty),))
    async with monitoring(database_url, settings) as first:
        await until(lambda: len(done) > 2)
        async with monitoring(database_url, settings):
            seen = len(done)
            await until(lambda: len(done) > seen + 10)
            assert len(set(map(id, done))) == 1
            first.set()
            await until(lambda: len(set(map(id, done))) == 2)


async def test_a_duty_that_fails_is_done_again_and_stops_no_other(
    database_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    async def broken(_: Pool, __: Settings) -> None:
        tried.append("broken")
        raise ValueError("no")

    async def whole(_: Pool, __: Settings) -> None:
        tried.append("whole")

    monkeypatch.setattr(watch, "DUTIES", ((0.01, broken), (0.01, whole)))
    async with monitoring(database_url, settings):
        await until(lambda: tried.count("broken") > 2 and tried.count("whole") > 2)


async def test_it_goes_on_when_its_connections_are_cut(
    db: Connection, database_url: str, settings: Settings
) -> None:
    async with monitoring(database_url, settings):
        await until(lambda: db.execute("SELECT FROM metric_snapshots").rowcount)
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        db.execute("DELETE FROM metric_snapshots")
        await until(lambda: db.execute("SELECT FROM metric_snapshots").rowcount)
