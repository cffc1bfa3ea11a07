"""The sensor: a run for each day that has due work, soon, once, and the urgent first."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import psycopg
import pytest
import yaml
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._utils.tags import TagConcurrencyLimitsCounter

from assets.line_assets import partition_tag
from assets.partitions import Calendar
from keepsake.database import connect
from keepsake.owners.owners import add_owner
from keepsake.pipeline.ledger import claims, repair
from keepsake.records.adding import PRIORITIES
from sensors import empty_partitions, line_sensor
from sensors.family import new_responses
from sensors.running import new_activities
from tests.dagster.conftest import CALENDAR, resources
from tests.family.conftest import OpensHouse
from tests.family.house import NOON, STEPS, House
from tests.given import given_record

ROOT = Path(__file__).parents[2]
YESTERDAY = NOON - timedelta(days=1)


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_sensor, "TICK_SECONDS", 0.3)
    monkeypatch.setattr(line_sensor, "POLL_SECONDS", 0.05)


@pytest.fixture
def house(house_with: OpensHouse) -> House:
    return house_with()


def add(house: House, text: str = "We baked bread.", **response: Any) -> int:
    return asyncio.run(house.add(text=text, **response))


def evaluate(
    instance: dg.DagsterInstance, sensor: Callable[[Calendar], dg.SensorDefinition] = new_responses
) -> dg.SensorResult | dg.SkipReason:
    """One evaluation of a sensor."""
    with dg.build_sensor_context(instance, resources=resources()) as context:
        result: Any = sensor(CALENDAR)(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def tick(instance: dg.DagsterInstance) -> list[dg.RunRequest | dg.SkipReason]:
    """What one evaluation of the sensor asks for."""
    result = evaluate(instance)
    return [result] if isinstance(result, dg.SkipReason) else list(result.run_requests or ())


def days(instance: dg.DagsterInstance) -> list[str | None]:
    return [
        request.partition_key for request in tick(instance) if isinstance(request, dg.RunRequest)
    ]


def test_nothing_due_is_no_run(house: House, instance: dg.DagsterInstance) -> None:
    assert [type(asked) for asked in tick(instance)] == [dg.SkipReason]


def test_a_new_response_asks_for_a_run_of_its_day(
    house: House, instance: dg.DagsterInstance
) -> None:
    add(house)
    [request] = tick(instance)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == "2026-05-04"
    assert request.run_key is None
    assert [key.to_user_string() for key in request.asset_selection or ()] == list(STEPS)
    config = request.run_config["ops"]["family_steps"]["config"]
    assert config == {"mode": "due", "max_records": 500, "redo": False, "record_ids": []}
    assert request.tags["keepsake/line"] == "family"


def test_what_it_sees_is_an_observation_of_the_responses(
    house: House, instance: dg.DagsterInstance
) -> None:
    add(house)
    add(house, "We baked a cake.")
    result = evaluate(instance)
    assert isinstance(result, dg.SensorResult)
    [seen] = result.asset_events
    assert (seen.asset_key, seen.partition) == (dg.AssetKey("responses"), "2026-05-04")
    assert seen.metadata["due records"].value == 2


def test_a_response_that_comes_during_a_tick_is_seen_in_that_tick(
    house: House, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_sensor, "TICK_SECONDS", 30)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            add(house)

    # The sensor's own clock: other threads of this process sleep as well.
    clock = SimpleNamespace(sleep=sleep, monotonic=time.monotonic)
    monkeypatch.setattr(line_sensor, "time", clock)
    assert days(instance) == ["2026-05-04"]
    assert slept == [0.05] * 3


def test_steps_left_to_a_schedule_are_not_asked_for(
    house_with: OpensHouse, instance: dg.DagsterInstance
) -> None:
    house = house_with(STEPS_ON_SCHEDULE="podcasts", MAX_RECORDS_PER_RUN="7")
    add(house)
    [request] = tick(instance)
    assert isinstance(request, dg.RunRequest)
    assert dg.AssetKey("podcasts") not in (request.asset_selection or ())
    assert request.run_config["ops"]["family_steps"]["config"]["max_records"] == 7
    house.change("UPDATE ledger SET due_at = NULL WHERE step <> 'podcasts'")
    house.change("UPDATE ledger SET due_at = now() WHERE step = 'podcasts'")
    assert days(instance) == []


def test_the_urgent_day_comes_first_then_the_newest_record(
    house: House, instance: dg.DagsterInstance
) -> None:
    add(house, "urgent", recorded_at=NOON - timedelta(days=9), priority="urgent")
    add(house, "old", recorded_at=YESTERDAY)
    add(house, "new")
    add(house, "unimportant", recorded_at=NOON - timedelta(days=3), priority="low")
    requests = [asked for asked in tick(instance) if isinstance(asked, dg.RunRequest)]
    assert [request.partition_key for request in requests] == [
        "2026-04-25", "2026-05-04", "2026-05-03", "2026-05-01",
    ]  # fmt: skip
    priorities = [request.tags["dagster/priority"] for request in requests]
    assert priorities == ["10", "0", "0", "-10"]


def test_a_flood_of_days_is_taken_a_few_at_a_time(
    house: House, instance: dg.DagsterInstance
) -> None:
    for ago in range(9):
        add(house, f"day {ago}", recorded_at=NOON - timedelta(days=ago))
    assert len(days(instance)) == line_sensor.RUNS_A_TICK


@pytest.mark.parametrize("status", line_sensor.ACTIVE)
def test_a_day_with_a_run_under_way_is_left_to_it(
    house: House, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    add(house)
    add(house, "We sang.", recorded_at=YESTERDAY)
    a_run(instance, status)
    assert days(instance) == ["2026-05-03"]


def test_the_queue_lets_two_lines_work_on_one_day_but_not_two_runs_of_one_line(
    house: House, instance: dg.DagsterInstance
) -> None:
    add(house)
    [family] = tick(instance)
    assert isinstance(family, dg.RunRequest)
    bookmarks = {**family.tags, **partition_tag("bookmarks", "2026-05-04")}
    limits = yaml.safe_load((ROOT / "dagster.yaml").read_text())["concurrency"]["runs"]
    under_way = TagConcurrencyLimitsCounter(
        limits["tag_concurrency_limits"], [dg.DagsterRun("family_line", tags=family.tags)]
    )
    assert under_way.is_blocked(dg.DagsterRun("family_line", tags=family.tags))
    assert not under_way.is_blocked(dg.DagsterRun("bookmarks_line", tags=bookmarks))


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_a_run_that_ended_badly_does_not_stand_in_the_way(
    house: House, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    add(house)
    a_run(instance, status)
    assert days(instance) == ["2026-05-04"]


def a_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, **tags: str) -> None:
    location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("keepsake"), "__repository__")
    run = dg.DagsterRun(
        "family_line",
        status=status,
        tags=tags or {"dagster/partition": "2026-05-04"},
        remote_job_origin=RemoteJobOrigin(location, "family_line"),
    )
    instance.add_run(run)


def test_what_a_backfill_has_in_its_hands_is_left_to_it(
    house: House, instance: dg.DagsterInstance
) -> None:
    held = add(house)
    add(house, "We sang.", recorded_at=YESTERDAY)
    with psycopg.connect(house.url) as backfill:
        backfill.execute("SELECT pg_advisory_lock(%s)", (claims.RECORD_LOCKS + held,))
        backfill.execute("SELECT pg_advisory_lock(-9223372036854775808)")  # someone else's
        assert days(instance) == ["2026-05-03"]
    assert set(days(instance)) == {"2026-05-03", "2026-05-04"}


def test_what_was_put_off_comes_back_when_it_is_due(
    house: House, instance: dg.DagsterInstance
) -> None:
    add(house)
    house.change("UPDATE ledger SET due_at = now() + interval '1 minute'")
    assert days(instance) == []
    house.change("UPDATE ledger SET due_at = now() - interval '1 second' WHERE step = 'quotes'")
    assert days(instance) == ["2026-05-04"]


def test_what_failed_comes_back_when_someone_retries_it(
    house: House, instance: dg.DagsterInstance
) -> None:
    record_id = add(house)
    house.change("UPDATE ledger SET status = 'failed', due_at = NULL")
    assert days(instance) == []
    with psycopg.connect(house.url, options="-c search_path=keepsake") as db:
        repair.retry_record(db, house.family.id, record_id)
    assert days(instance) == ["2026-05-04"]


def test_a_day_that_is_no_partition_stands_in_nobodys_way(
    house: House, instance: dg.DagsterInstance
) -> None:
    add(house, "before", priority="urgent")
    house.change("UPDATE records SET recorded_at = '1999-05-04'")  # FIRST_DAY was raised since
    add(house, recorded_at=YESTERDAY)
    assert days(instance) == ["2026-05-03"]


def test_the_day_is_that_of_utc(house: House, instance: dg.DagsterInstance) -> None:
    evening_in_new_york = datetime.fromisoformat("2026-05-03T21:30:00-04:00")
    add(house, recorded_at=evening_in_new_york)
    assert days(instance) == [evening_in_new_york.astimezone(UTC).date().isoformat()]


# -- days without records --------------------------------------------------------------------------


def test_days_without_records_are_told_as_made_while_nothing_is_due(
    house: House, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few at a time, the newest first, and no more when all are."""
    monkeypatch.setattr(empty_partitions, "AT_ONCE", 2)
    monkeypatch.setattr(
        empty_partitions, "closed", lambda partitions: [f"2026-05-0{day}" for day in range(1, 9)]
    )
    monkeypatch.setattr(line_sensor, "closed", empty_partitions.closed)
    add(house, recorded_at=NOON - timedelta(days=1))
    add(house, "We sang.", recorded_at=NOON + timedelta(days=2))
    house.change("UPDATE ledger SET status = 'succeeded', due_at = NULL")
    told = []
    sensor: Any = new_responses(CALENDAR)
    with dg.build_sensor_context(instance, resources=resources()) as context:
        while isinstance(result := sensor(context), dg.SensorResult):
            for event in result.asset_events:
                instance.report_runless_asset_event(event)
            told.append(sorted({str(event.partition) for event in result.asset_events}))
    assert told == [["2026-05-07", "2026-05-08"], ["2026-05-04", "2026-05-05"]]
    for step in STEPS:
        made = instance.get_materialized_partitions(dg.AssetKey(step))
        assert made == {"2026-05-04", "2026-05-05", "2026-05-07", "2026-05-08"}
    assert context.cursor == "2026-05-01 to 2026-05-08"


def test_a_line_without_records_has_no_days_to_tell_of(
    house: House, instance: dg.DagsterInstance
) -> None:
    assert isinstance(evaluate(instance), dg.SkipReason)


# -- records that are older than all before --------------------------------------------------------


@pytest.mark.parametrize(("kept_up", "asked"), [(True, []), (False, ["2026-05-04"])])
def test_history_waits_for_the_partitions_of_what_is_older_where_they_come_by_themselves(
    house: House,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    kept_up: bool,
    asked: list[str],
) -> None:
    """The code server starts again when no run is under way: history would keep it from that."""
    monkeypatch.setattr(line_sensor, "running", lambda settings: object() if kept_up else None)
    add(house, priority="low")
    house.change("UPDATE records SET recorded_at = '1999-05-04' WHERE id = 1")
    add(house, "We sang.", priority="low")
    monkeypatch.setenv("FIRST_DAY", "1990-01-01")  # it was lowered: the partitions do not know yet
    assert days(instance) == asked
    add(house, "new", recorded_at=YESTERDAY)
    assert "2026-05-03" in days(instance)


# -- imported history ------------------------------------------------------------------------------


def test_imported_history_is_one_run_behind_what_is_new(
    house: House, instance: dg.DagsterInstance
) -> None:
    """However many days it has: it never takes the places of what comes in."""
    for ago in range(1, 9):
        add(house, f"day {ago}", recorded_at=NOON - timedelta(days=ago), priority="low")
    add(house, "long ago", recorded_at=NOON - timedelta(days=400), priority="low")
    add(house, "new", recorded_at=NOON - timedelta(days=3))
    new, old = (asked for asked in tick(instance) if isinstance(asked, dg.RunRequest))
    assert new.partition_key == "2026-05-01"
    assert line_sensor.BULK not in new.tags
    assert old.partition_key is None
    assert old.tags["dagster/asset_partition_range_start"] == "2026-04-26"
    assert old.tags["dagster/asset_partition_range_end"] == "2026-05-03"
    assert (old.tags[line_sensor.BULK], old.tags["dagster/priority"]) == ("true", "-10")


def test_each_owners_history_gets_its_turn(house: House, instance: dg.DagsterInstance) -> None:
    """However long that of another, and however new."""
    with connect(house.url) as db:
        other = add_owner(db, "Other").id
        ran = [(house.family.id, NOON - timedelta(days=40 * number)) for number in range(20)]
        for owner_id, moment in [*ran, (other, NOON - timedelta(days=900))]:
            given_record(
                db,
                line="running",
                owner_id=owner_id,
                external_id=f"{moment}",
                recorded_at=moment,
                priority=PRIORITIES["low"],
            )
    newest = set()
    for _ in range(40):
        result = evaluate(instance, new_activities)
        assert isinstance(result, dg.SensorResult)
        newest.add(max(event.partition or "" for event in result.asset_events))
    assert newest == {"2026-05-01", "2023-11-01"}


def test_a_line_has_one_run_of_history_at_a_time(
    house: House, instance: dg.DagsterInstance
) -> None:
    add(house, "old", recorded_at=YESTERDAY, priority="low")
    a_run(instance, dg.DagsterRunStatus.STARTED, **{line_sensor.BULK: "true"})
    assert days(instance) == []
    add(house, "new")
    assert days(instance) == ["2026-05-04"]


# -- lines of months -------------------------------------------------------------------------------


def test_a_line_of_months_has_a_run_for_each_month_that_has_due_records(
    house: House, instance: dg.DagsterInstance
) -> None:
    with connect(house.url) as db:
        for moment in ("2026-05-04T12:00Z", "2026-05-31T23:59Z", "2026-06-01T00:00Z"):
            given_record(
                db,
                line="running",
                owner_id=house.family.id,
                external_id=moment,
                recorded_at=datetime.fromisoformat(moment),
                content_hash=moment,
            )
    result = evaluate(instance, new_activities)
    assert isinstance(result, dg.SensorResult)
    assert [r.partition_key for r in result.run_requests or ()] == ["2026-06-01", "2026-05-01"]
    seen = {event.partition: event.metadata["due records"].value for event in result.asset_events}
    assert seen == {"2026-06-01": 1, "2026-05-01": 2}
