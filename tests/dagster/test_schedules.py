"""What happens by the clock: each schedule asks for the right day, and for nothing needless."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from definitions import build_defs
from keepsake.clients.objects import open_objects
from keepsake.settings import load_settings
from schedules.daily_quote import daily_quote
from schedules.family import close_the_day, daily_podcasts
from tests.dagster.conftest import CALENDAR, resources
from tests.family.conftest import OpensHouse
from tests.family.house import NOON, House

NIGHT = datetime(2026, 5, 5, 3, tzinfo=UTC)


@pytest.fixture
def house(house_with: OpensHouse) -> House:
    return house_with()


def tick(schedule: dg.ScheduleDefinition, at: datetime = NIGHT) -> list[Any]:
    """What a schedule asks for at that time."""
    with dg.build_schedule_context(scheduled_execution_time=at, resources=resources()) as context:
        asked: Any = schedule(context)
        return list(asked) if isinstance(asked, Iterator) else [asked]


def with_story(house: House, *, ago: int = 0, podcast: str = "pending") -> int:
    """A response with a story, some days ago."""
    at = NOON - timedelta(days=ago)
    record_id = asyncio.run(house.add(text=f"We baked bread {ago}.", recorded_at=at))
    house.change(
        "INSERT INTO stories VALUES (%s, 'Bread', 'Bread was baked.', 'Text', 1)", record_id
    )
    house.change(
        "UPDATE ledger SET status = %s, due_at = NULL WHERE record_id = %s AND step = 'podcasts'",
        podcast, record_id,
    )  # fmt: skip
    return record_id


def test_every_night_each_day_with_stories_without_an_episode_gets_a_run(house: House) -> None:
    with_story(house)
    with_story(house, ago=2)
    with_story(house, ago=3, podcast="succeeded")
    with_story(house, ago=4, podcast="failed")
    requests = tick(daily_podcasts(CALENDAR))
    assert [request.partition_key for request in requests] == ["2026-05-04", "2026-05-02"]
    assert {request.asset_selection[0].to_user_string() for request in requests} == {"podcasts"}
    assert requests[0].run_key == "podcasts-2026-05-05-2026-05-04"
    assert [r.run_key for r in tick(daily_podcasts(CALENDAR))] == [r.run_key for r in requests]


def test_a_story_that_is_missing_needs_no_episode(house: House) -> None:
    asyncio.run(house.add(text="We baked bread."))
    assert [type(asked) for asked in tick(daily_podcasts(CALENDAR))] == [dg.SkipReason]


def test_a_long_history_is_caught_up_with_a_month_a_night(house: House) -> None:
    for ago in range(33):
        with_story(house, ago=ago)
    keys = [request.partition_key for request in tick(daily_podcasts(CALENDAR))]
    assert (len(keys), keys[0], keys[-1]) == (31, "2026-05-04", "2026-04-04")


def test_every_night_the_day_that_has_ended_is_closed(house: House) -> None:
    [request] = tick(close_the_day(CALENDAR), datetime(2026, 5, 5, 0, 30, tzinfo=UTC))
    assert (request.partition_key, request.run_key) == ("2026-05-04", "close-2026-05-04")
    assert request.asset_selection is None  # all steps
    assert request.tags["keepsake/partition"] == "family 2026-05-04"


def test_every_monday_that_weeks_questions_are_asked_for() -> None:
    monday = datetime(2026, 5, 4, 6, tzinfo=UTC)
    schedule = build_defs(load_settings()).resolve_schedule_def("weekly_interview_prompts")
    with dg.build_schedule_context(scheduled_execution_time=monday) as context:
        [request] = schedule.evaluate_tick(context).run_requests or []
    assert request.partition_key == "2026-05-04"


def test_without_an_address_no_quote_is_sent(house: House) -> None:
    [asked] = tick(daily_quote)
    assert "neither NOTIFY_URLS nor NOTIFY_CONFIG" in asked.skip_message


def test_a_quote_is_sent_only_when_a_family_waits_for_it(house_with: OpensHouse) -> None:
    house = house_with(NOTIFY_URLS="json://127.0.0.1:9", QUOTE_HOUR="0")
    assert [type(asked) for asked in tick(daily_quote)] == [dg.SkipReason]
    record_id = with_story(house)
    house.change(
        "INSERT INTO quotes (record_id, owner_id, position, text)"
        " VALUES (%s, 1, 0, 'Sing and keep walking.')",
        record_id,
    )
    assert [type(asked) for asked in tick(daily_quote)] == [dg.RunRequest]


def test_the_nightly_clean_up_takes_away_what_nothing_names(house: House) -> None:
    key = "made/before"
    asyncio.run(open_objects(house.settings).put_bytes(key, b"x"))
    house.change("INSERT INTO loose_objects (key, owner_id) VALUES (%s, 1)", key)
    house.change(
        "INSERT INTO audit_log (at, action, detail) VALUES (now() - interval '9 years', 'a.b', '')"
    )
    job = build_defs(house.settings).resolve_job_def("clean_up")
    assert job.execute_in_process().success
    assert not (house.settings.objects_folder / key).exists()
    assert house.rows("SELECT * FROM audit_log") == house.rows("SELECT * FROM loose_objects") == []
