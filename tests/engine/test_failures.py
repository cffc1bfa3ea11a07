"""A failure is its record's and its step's own; what is nobody's fault is put off."""

import logging
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from keepsake.errors import (
    EndpointDown,
    PermanentError,
    RateLimited,
    RetryableError,
    Unreachable,
)
from keepsake.owners import usage
from keepsake.pipeline.ledger import repair
from keepsake.pipeline.ledger.attempts import timeline
from keepsake.pipeline.limits import EndpointLimiter
from keepsake.pipeline.line import Line
from keepsake.pipeline.retry import RetryPolicy

from .toy import STEPS, TOY, Source, World, with_step


class Clock:
    """Sleeping takes no time, and is noted."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def clock(world: World) -> Clock:
    clock = Clock()
    world.with_retry(first_delay=1.0, sleep=clock.sleep)
    return clock


def seconds_until(moment: datetime) -> float:
    return (moment - datetime.now(UTC)).total_seconds()


# -- a record's own failures -----------------------------------------------------------------------


async def test_a_permanent_failure_is_its_steps_own(world: World) -> None:
    world.add("bad", "good")

    @world.stage.act("tell")
    async def tell(source: Source) -> None:
        if source.text == "bad":
            raise PermanentError("no words in 3 s of audio")

    report = await world.run()
    assert world.statuses("bad") == {
        "hear": "succeeded",
        "tell": "failed",
        "tag": "succeeded",
        "bind": "pending",
    }
    assert world.record_status("bad") == "PARTIAL_SUCCESS"
    assert world.record_status("good") == "COMPLETED"
    row = world.rows("bad")["tell"]
    assert (row["attempts"], row["due_at"]) == (1, None)
    assert (row["error_type"], row["error_message"]) == (
        "PermanentError",
        "no words in 3 s of audio",
    )
    bind = world.rows("bad")["bind"]
    assert (bind["wait_reason"], bind["waits_for"]) == ("need", "tell")
    assert (report.steps["tell"].failed, report.steps["bind"].waiting) == (1, 1)


async def test_a_retryable_failure_is_tried_three_times(world: World, clock: Clock) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        usage.record("model", tokens_in=10)
        raise RetryableError("500 from the endpoint")

    report = await world.run()
    row = world.rows("x")["hear"]
    assert (row["status"], row["attempts"]) == ("failed", 3)
    assert (row["calls"], row["tokens_in"]) == (3, 30)
    assert report.steps["hear"].attempts == 3
    first, second = clock.slept
    assert 1 <= first <= 2 <= second <= 4


@pytest.mark.parametrize("attempts", [1, 2, 3, 9])
def test_the_time_between_attempts_is_from_1_to_10_seconds(attempts: int) -> None:
    retry = RetryPolicy(attempts=10)
    delays = [retry.delay(RetryableError("503"), attempts) or 0 for _ in range(50)]
    assert all(1 <= delay <= 10 for delay in delays)
    assert len(set(delays)) > 1 or attempts == 9  # jitter, so that they do not return in step


async def test_what_fails_once_succeeds_at_the_second_attempt(world: World) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        if world.stage.count("hear") == 1:
            raise RetryableError("connection reset")

    await world.run()
    row = world.rows("x")["hear"]
    assert (row["status"], row["attempts"], row["error_type"]) == ("succeeded", 2, None)


async def test_a_provider_that_names_a_time_is_asked_then(world: World, clock: Clock) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        if world.stage.count("hear") == 1:
            raise RateLimited("429", retry_after=33.0)

    await world.run()
    assert clock.slept == [33.0]
    assert world.statuses("x")["hear"] == "succeeded"


async def test_a_provider_that_asks_for_too_much_patience_is_put_off(
    world: World, clock: Clock
) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        raise RetryableError("503, back in an hour", retry_after=3600.0)

    report = await world.run()
    row = world.rows("x")["hear"]
    assert clock.slept == []
    assert (row["status"], row["attempts"], row["deferrals"]) == ("pending", 1, 1)
    assert 3500 < seconds_until(row["due_at"]) <= 3600
    assert report.steps["hear"].deferred == 1
    assert world.rows("x")["tell"]["due_at"] == row["due_at"]  # what needs it waits as long


@pytest.mark.parametrize("asked", [1e9, 1e14, float("inf")])
async def test_a_provider_that_names_a_time_beyond_the_calendar_is_asked_again_tomorrow(
    world: World, clock: Clock, asked: float
) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        raise RateLimited("429", retry_after=asked)

    await world.run("hear")
    assert 86_300 < seconds_until(world.rows("x")["hear"]["due_at"]) <= 86_400


async def test_a_provider_whose_patience_never_ends_fails_the_record_in_the_end(
    world: World, clock: Clock
) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        raise RetryableError("live, back in six hours", retry_after=21_600.0)

    for _ in range(world.config.retry.deferrals_on_request):
        await world.run("hear")
        assert world.statuses("x")["hear"] == "pending"
        world.make_due()
    await world.run("hear")
    assert world.statuses("x")["hear"] == "failed"


async def test_who_limits_us_is_asked_again_when_it_says_and_the_run_is_well(
    world: World, clock: Clock
) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        raise RateLimited("429", retry_after=61.0)

    for _ in range(5):
        report = await world.run("hear")
        assert 55 < seconds_until(world.rows("x")["hear"]["due_at"]) <= 61
        assert report.steps["hear"].down is None
        world.make_due()


@pytest.mark.parametrize("error", [RateLimited("429"), Unreachable("nobody there")])
async def test_what_says_nothing_of_the_record_puts_it_off_and_never_fails_it(
    world: World, error: RetryableError
) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        raise error

    await world.run()
    row = world.rows("x")["hear"]
    assert (row["status"], row["attempts"], row["deferrals"]) == ("pending", 3, 1)
    assert 50 < seconds_until(row["due_at"]) <= 60


# -- an endpoint that is down ----------------------------------------------------------------------


async def test_a_dead_endpoint_stops_its_step_and_burns_no_attempts(world: World) -> None:
    world.add(*map(str, range(40)))
    limiter = EndpointLimiter("mouth", 4)

    @world.stage.act("tell")
    async def tell(source: Source) -> None:
        async with limiter:
            raise RetryableError("connection refused")

    report = await world.run()
    assert report.steps["tag"].made == 40
    assert report.steps["tell"].deferred == 40
    assert "connection refused" in (report.steps["tell"].down or "")
    rows = [world.rows(str(number))["tell"] for number in range(40)]
    assert {row["status"] for row in rows} == {"pending"}
    # Five failures in a row close the limiter, with at most the four calls in flight besides.
    assert sum(row["attempts"] for row in rows) <= 5 + 4
    assert all(row["due_at"] > datetime.now(UTC) for row in rows)


async def test_each_deferral_doubles_the_wait_up_to_half_an_hour(world: World) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        raise EndpointDown("401: the key is refused", role="ears")

    waits = []
    for _ in range(7):
        await world.run("hear", mode="due")
        waits.append(round(seconds_until(world.rows("x")["hear"]["due_at"]) / 60))
        assert await world.run("hear", mode="due") is not None  # not due: not asked
        world.make_due()
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert world.stage.count("hear") == 7
    assert world.rows("x")["hear"]["attempts"] == 0


async def test_an_endpoint_that_is_back_forgets_the_deferrals(world: World) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        if world.stage.count("hear") == 1:
            raise EndpointDown("unreachable", role="ears")

    await world.run(mode="due")
    world.make_due()
    await world.run(mode="due")
    row = world.rows("x")["hear"]
    assert (row["status"], row["deferrals"], row["attempts"]) == ("succeeded", 0, 1)
    assert world.record_status("x") == "COMPLETED"


# -- errors that nobody foresaw --------------------------------------------------------------------


async def test_an_unforeseen_error_is_told_by_its_type_alone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.add("grandmother", "y")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        if source.text != "y":
            raise KeyError(source.text)

    with caplog.at_level(logging.DEBUG):
        await world.run()
    row = world.rows("grandmother")["hear"]
    assert (row["status"], row["attempts"], row["error_type"]) == ("failed", 1, "KeyError")
    assert "grandmother" not in row["error_message"]
    assert "grandmother" not in caplog.text
    assert "test_failures.py" in caplog.text  # where it happened, though
    assert world.record_status("y") == "COMPLETED"


@pytest.mark.parametrize("result", ["nul \x00", "half a character \ud83d"])
async def test_a_result_that_cannot_be_stored_fails_its_own_record(
    world: World, result: str
) -> None:
    world.add("a", "bad", "c", "d", "e")

    @world.stage.act("tell")
    async def tell(source: Source) -> str | None:
        return result if source.text == "bad" else None

    await world.run("hear", "tell", "tag")
    assert world.rows("bad")["tell"]["error_type"] == "Unstorable"
    assert "tell" not in world.results("bad")
    assert world.statuses("bad")["tag"] == "succeeded"
    assert {world.statuses(text)["tell"] for text in "acde"} == {"succeeded"}


async def test_a_result_that_cannot_be_stored_leaves_the_earlier_one(world: World) -> None:
    record_id = world.add("x")
    await world.run()
    made = world.rows("x")["tag"]
    repair.redo(world.db, 1, record_id, "tag")

    @world.stage.act("tag")
    async def tag(source: Source) -> str:
        return "nul \x00"

    await world.run("tag", mode="due")
    row = world.rows("x")["tag"]
    assert (row["status"], row["error_type"], row["due"]) == ("succeeded", "Unstorable", None)
    assert row["output_fingerprint"] == made["output_fingerprint"]
    assert world.results("x")["tag"] == "tag(hear(x))"
    last = timeline(world.db, 1, record_id)[-1]
    assert (last["outcome"], last["error_type"], last["retryable"]) == (
        "failed",
        "Unstorable",
        False,
    )


async def test_what_a_run_leaves_alone_after_a_need_has_failed_again_is_not_running(
    world: World,
) -> None:
    record_id = world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        raise PermanentError("no words")

    await world.run()
    repair.redo(world.db, 1, record_id, "hear")
    await world.run(mode="due")
    assert world.statuses("x") == {"hear": "failed"} | dict.fromkeys(
        ("tell", "tag", "bind"), "pending"
    )


async def test_an_error_message_with_odd_characters_is_stored(world: World) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        raise PermanentError("codec 'a\x00b' \ud83d")

    await world.run("hear")
    assert world.rows("x")["hear"]["error_message"] == "codec 'a b'  "


async def test_a_record_deleted_meanwhile_is_dropped_quietly(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.add("gone", "stays")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        if source.text == "gone":
            world.db.execute("DELETE FROM records WHERE external_id = 'gone'")

    with caplog.at_level(logging.WARNING):
        await world.run()
    assert caplog.text == ""
    assert world.record_status("stays") == "COMPLETED"
    assert world.rows("gone") == {}


async def test_a_record_deleted_while_it_is_read_is_dropped_too(world: World) -> None:
    world.add("gone", "stays")
    await world.run("hear", "tag")

    async def load_and_delete(connection: Any, ids: Any) -> Any:
        sources = await TOY.load(connection, ids)
        await connection.execute("DELETE FROM records WHERE external_id = 'gone'")
        return sources

    world.line = Line("toy", TOY.steps, load_and_delete)
    await world.run("tell")
    assert world.statuses("stays")["tell"] == "succeeded"
    assert world.rows("gone") == {}


# -- what was there before -------------------------------------------------------------------------


async def test_a_failed_remake_keeps_the_earlier_result(world: World) -> None:
    world.add("x")
    await world.run()
    before = world.results("x")
    statuses: list[str] = []
    world.line = with_step(TOY, "tell", version="2")

    @world.stage.act("tell")
    async def tell(source: Source) -> None:
        statuses.append(world.statuses("x")["tell"])
        raise PermanentError("the answer stays wrong")

    report = await world.run()
    assert statuses == ["succeeded"]  # meanwhile, too
    assert world.results("x") == before
    assert world.statuses("x") == dict.fromkeys(STEPS, "succeeded")
    assert report.steps["tell"].failed == 1
    assert world.rows("x")["tell"]["error_message"] == "the answer stays wrong"
    assert report.steps["bind"].up_to_date == 1
    world.stage.acts.clear()
    assert (await world.run()).steps["tell"].made == 1  # it stayed stale


async def test_a_remake_that_is_put_off_stays_asked_for(world: World) -> None:
    record = world.add("x")
    await world.run()

    @world.stage.act("tell")
    async def tell(source: Source) -> None:
        raise EndpointDown("unreachable", role="mouth")

    repair.redo(world.db, 1, record, "tell")
    await world.run(mode="due")
    row = world.rows("x")["tell"]
    assert (row["status"], row["due"]) == ("succeeded", False)
    world.make_due()
    world.stage.acts.clear()
    await world.run(mode="due")
    assert world.stage.count("tell") == 3
    assert world.rows("x")["tell"]["due_at"] is None


# -- a database that goes away ---------------------------------------------------------------------


def cut_connections(world: World) -> None:
    """End every connection of the pool but the one that holds the locks, as a failover would."""
    world.db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND pid NOT IN (SELECT pid FROM pg_locks WHERE"
        " locktype = 'advisory')"
    )


def refuse_writes(world: World, times: int = 1000) -> None:
    """Have the database refuse the next results as one that is shutting down does."""
    world.db.execute("CREATE SEQUENCE refused")
    world.db.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF nextval('refused') <= {times} THEN RAISE SQLSTATE '57P03'; END IF;"
        " RETURN NEW; END $$"
    )
    world.db.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON toy FOR EACH ROW EXECUTE FUNCTION refuse()"
    )


async def test_broken_connections_lose_no_result(world: World) -> None:
    world.add("x", "y")

    @world.stage.act("tell")
    async def tell(source: Source) -> None:
        if source.text == "x":
            cut_connections(world)

    report = await world.run(max_records=2)  # and so it reads no more
    assert report.steps["bind"].made == 2
    assert world.record_status("x") == world.record_status("y") == "COMPLETED"
    assert len(world.calls) == 2 * len(STEPS)


async def test_a_write_that_fails_is_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        refuse_writes(world, times=2)

    await world.run("hear")
    assert caplog.text.count("the database did not take 1 results") == 2
    assert world.statuses("x")["hear"] == "succeeded"
    assert world.stage.count("hear") == 1


async def test_a_database_that_stays_away_ends_the_run_and_loses_nothing(world: World) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        refuse_writes(world)

    with pytest.raises(psycopg.OperationalError):
        await world.run("hear")
    assert world.results("x") == {}
    assert world.rows("x")["hear"]["due"]


async def test_a_database_that_goes_away_under_a_step_is_not_the_records_fault(
    world: World,
) -> None:
    world.add("x")
    await world.run()

    async def load(connection: Any, ids: Any) -> Any:
        raise psycopg.errors.AdminShutdown("terminating connection")

    @world.stage.act("tell")
    async def tell(source: Source) -> str:
        return "told otherwise"  # so that `bind` needs `tag` from the database after all

    world.line = with_step(with_step(TOY, "tell", version="2"), "tag", load=load)
    await world.run()
    row = world.rows("x")["bind"]
    assert (row["status"], row["attempts"]) == ("succeeded", 1)
    assert row["error_message"] == "the database does not answer"
    assert row["due_at"] > datetime.now(UTC)
