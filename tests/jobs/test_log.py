"""What is logged of a job: kept beside its row, in order, and never in the way of the job."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from keepsake.database import AsyncConnection, Pool, owner_transaction
from keepsake.jobs import log as job_log
from keepsake.jobs.listing import log as read
from keepsake.jobs.log import JobLog
from keepsake.logs import about
from tests.jobs.greetings import column, given

log = logging.getLogger("keepsake.tests")


@pytest.fixture
def kept(database_url: str) -> Iterator[None]:
    """Lines about jobs are stored."""
    with JobLog(database_url):
        yield


async def stored(db: AsyncConnection, count: int) -> None:
    """Wait until so many lines are."""
    async with asyncio.timeout(20):
        while await column(db, "SELECT count(*) FROM job_log") != [count]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def messages(db: AsyncConnection, job_id: int, after: int = 0) -> list[str]:
    return [line.message for line in await read(db, job_id, after=after)]


async def test_lines_are_kept_in_order_with_their_attempt_and_followed(
    db: AsyncConnection, database_url: str
) -> None:
    job_id = await given(db, owner_id=1)
    with JobLog(database_url), about(job=job_id, attempt=2):
        log.info("%d of %d", 1, 2)
        await asyncio.to_thread(log.warning, "from a thread")
    first, second = await read(db, job_id)
    assert (first.attempt, first.level, first.message) == (2, "INFO", "1 of 2")
    assert (second.attempt, second.level, second.message) == (2, "WARNING", "from a thread")
    assert await messages(db, job_id, after=first.id) == ["from a thread"]


async def test_lines_about_no_job_or_of_other_libraries_are_not_kept(
    db: AsyncConnection, database_url: str
) -> None:
    job_id = await given(db)
    with JobLog(database_url):
        log.info("about nothing")
        with about(job=job_id):
            logging.getLogger("httpx").warning("GET https://example.org/?token=secret")
            log.debug("a detail")
            log.info("kept")
    assert await messages(db, job_id) == ["kept"]


async def test_a_line_of_a_run_is_kept_without_the_names_that_dagster_puts_before_it(
    db: AsyncConnection, database_url: str
) -> None:
    job_id = await given(db)
    written = {"dagster_meta": {"orig_message": "1 of 2", "run_id": "55c12f1b"}}
    with JobLog(database_url), about(job=job_id):
        log.info("family_line - 55c12f1b - family_steps - 1 of 2", extra=written)
    assert await messages(db, job_id) == ["1 of 2"]


async def test_an_error_is_kept_with_type_and_place_and_not_with_what_it_says(
    db: AsyncConnection, database_url: str
) -> None:
    job_id = await given(db)
    with JobLog(database_url), about(job=job_id):
        try:
            raise ValueError("dear " + "diary")
        except ValueError:
            log.exception("it failed")
    (message,) = await messages(db, job_id)
    assert message.startswith("it failed\nValueError\n")
    assert "test_log.py" in message
    assert "dear diary" not in message


async def test_an_owner_sees_the_lines_of_its_own_jobs(
    pool: Pool, db: AsyncConnection, database_url: str
) -> None:
    mine, system = await given(db, owner_id=1), await given(db)
    with JobLog(database_url):
        for job_id in (mine, system):
            with about(job=job_id):
                log.info("begins")
    for owner_id, seen in ((1, 1), (2, 0), (None, 0)):
        async with owner_transaction(pool, owner_id) as connection:
            assert len(await read(connection, mine)) == seen
            assert await read(connection, system) == []


async def test_of_many_lines_the_newest_are_kept(
    db: AsyncConnection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_log, "KEPT", 3)
    talkative, quiet = await given(db), await given(db)
    for turn in range(2):
        with JobLog(database_url):
            with about(job=quiet):
                log.info("quiet")
            with about(job=talkative):
                for number in range(5):
                    log.info("%d/%d", turn, number)
    assert await messages(db, talkative) == ["1/2", "1/3", "1/4"]
    assert await messages(db, quiet) == ["quiet", "quiet"]


async def test_a_job_that_is_held_keeps_no_line_of_others_waiting(
    pool: Pool, db: AsyncConnection, kept: None
) -> None:
    held, free = await given(db), await given(db)
    async with pool.connection() as other, other.transaction():
        await other.execute("SELECT FROM jobs WHERE id = %s FOR UPDATE", (held,))
        for job_id in (held, free):
            with about(job=job_id):
                log.info("begins")
        await stored(db, 1)
        assert await messages(db, free) == ["begins"]
    await stored(db, 2)
    assert await messages(db, held) == ["begins"]


async def test_lines_outlive_a_lost_connection(
    db: AsyncConnection, kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_log, "_PAUSE_SECONDS", 0.05)
    job_id = await given(db)
    with about(job=job_id):
        log.info("before")
        await stored(db, 1)
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        log.info("after")
    await stored(db, 2)


def test_a_database_that_is_not_there_fails_nothing_and_holds_nothing_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_log, "_PAUSE_SECONDS", 0.05)
    with JobLog("postgresql://nobody@127.0.0.1:9/none"), about(job=1):
        log.info("lost")
    assert "not stored for now (OperationalError)" in caplog.text


async def test_lines_go_with_their_job_and_what_comes_later_is_dropped(
    pool: Pool, db: AsyncConnection, database_url: str
) -> None:
    gone, there = await given(db), await given(db)
    with JobLog(database_url), about(job=gone):
        log.info("begins")
    await db.execute("DELETE FROM jobs WHERE id = %s", (gone,))
    with JobLog(database_url):
        for job_id in (gone, there):
            with about(job=job_id):
                log.info("ends")
    assert await messages(db, gone) == []
    assert await messages(db, there) == ["ends"]


async def test_what_cannot_be_stored_is_replaced_and_a_long_line_cut(
    db: AsyncConnection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest would send the half of a character to its other process, which cannot be done.
    monkeypatch.setattr(logging.getLogger("keepsake"), "propagate", False)
    job_id = await given(db)
    with JobLog(database_url), about(job=job_id):
        log.info("a\0b\x1b[2J\ud800 two\nlines")
        log.info("x" * 100_000)
    odd, long = await messages(db, job_id)
    assert odd == "a b [2J  two\nlines"
    assert len(long) == job_log.LONGEST
