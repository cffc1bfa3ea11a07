"""How facts are told: in the words and with the roundings that runners use."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from keepsake.running.facts import Facts, Split
from keepsake.running.wording import Fact, duration, facts_in_words, part_of_day, span
from keepsake.text.moments import clock

BERLIN = ZoneInfo("Europe/Berlin")
RUN = Facts(
    sport="running",
    started_at=datetime(2026, 9, 6, 5, 30, tzinfo=UTC),
    distance=10_021.4,
    elapsed=3200.2,
    moving=3133.4,
    ascent=84.4,
    descent=80.0,
    heart_rate=151.6,
    max_heart_rate=171,
    cadence=168.3,
    drift=4.24,
    splits=(Split(1, 1000, 312), Split(2, 1000, 291.2), Split(3, 1000, 330), Split(4, 21.4, 2)),
    zones=(0, 12, 300, 2100, 733),
    zone_maximum=188,
    best_efforts={"400": 110.6, "10000": 3128.1},
)


def texts(facts: Facts, name: str, zone: ZoneInfo = BERLIN) -> list[str]:
    return [fact.text for fact in facts_in_words(facts, zone) if fact.name == name]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sport", "running"),
        ("date", "Sunday 6 September 2026"),
        ("start", "07:30, in the morning"),
        ("distance", "10.02 km (about 10 km)"),
        ("moving time", "52 min 13 s"),
        ("pauses", "1 min 7 s in all"),
        ("pace", "5:13 per km"),
        ("elevation gain", "84 m"),
        ("average heart rate", "152 bpm"),
        ("highest heart rate", "171 bpm"),
        ("cadence", "168 steps per minute"),
        ("heart rate drift", "4.2 % less speed for the same heart rate in the second half"),
        ("fastest kilometre", "the 2nd, in 4:51"),
        ("slowest kilometre", "the 3rd, in 5:30"),
        ("kilometre by kilometre", "5:12, 4:51, 5:30"),
    ],
)
def test_a_fact_is_told_as_a_runner_says_it(name: str, text: str) -> None:
    assert texts(RUN, name) == [text]


@pytest.mark.parametrize(
    ("metres", "text"),
    [
        (2400, "2.40 km"),
        (10_000, "10.00 km"),
        (13_800, "13.80 km (about 14 km)"),
        (21_290, "21.29 km (more than 21 km)"),
        (21_600, "21.60 km (more than 21 km)"),
    ],
)
def test_a_distance_is_told_in_whole_kilometres_too(metres: float, text: str) -> None:
    run = Facts("running", RUN.started_at, distance=metres, elapsed=3600, moving=3600)
    assert texts(run, "distance") == [text]


def test_zones_of_less_than_half_a_minute_are_not_told() -> None:
    assert texts(RUN, "heart rate zones") == [
        "5 min in zone 3 of 5",
        "35 min in zone 4 of 5",
        "12 min in zone 5 of 5",
    ]


def test_zones_of_an_assumed_highest_heart_rate_say_so_and_are_given_to_no_model() -> None:
    assumed = replace(RUN, zone_maximum=187, zone_activities=24)
    assert [fact for fact in facts_in_words(assumed, BERLIN) if fact.assumed] == [
        Fact(
            "heart rate zones",
            "5 min in zone 3 of 5, 35 min in zone 4 of 5, 12 min in zone 5 of 5, with 187 bpm as "
            "your highest heart rate, the most that 24 activities have shown",
            assumed=True,
        )
    ]


def test_zones_of_nobody_knows_what_are_not_told() -> None:
    assert texts(replace(RUN, zone_maximum=None), "heart rate zones") == []


def test_without_a_time_zone_of_the_runner_times_are_those_of_utc_and_said_to_be() -> None:
    utc = ZoneInfo("UTC")
    assert texts(RUN, "date", utc) == ["Sunday 6 September 2026 (UTC)"]
    assert texts(RUN, "start", utc) == ["05:30 UTC"]
    assert {fact.name for fact in facts_in_words(RUN, utc) if fact.assumed} == {"date", "start"}


def test_a_stretch_that_is_a_little_short_says_what_was_measured() -> None:
    short = replace(RUN, distance=4998.2, best_efforts={"1000": 280.0, "5000": 1450.0})
    assert texts(short, "fastest stretch") == ["1 km in 4:40", "5 km in 24:10 (4998 m measured)"]


def test_stretches_are_told_from_the_shortest_to_the_longest() -> None:
    stored = replace(RUN, best_efforts={"400": 110.0, "5000": 1500.0, "1609.344": 470.0})
    told_in_order = [text.partition(" in ")[0] for text in texts(stored, "fastest stretch")]
    assert told_in_order == ["400 m", "1 mile", "5 km"]


def test_each_stretch_is_told_by_its_name() -> None:
    assert texts(RUN, "fastest stretch") == ["400 m in 1:51", "10 km in 52:08"]


def test_date_and_time_are_those_of_the_runner_s_clock() -> None:
    far = ZoneInfo("America/Los_Angeles")
    assert texts(RUN, "date", far) == ["Saturday 5 September 2026"]
    assert texts(RUN, "start", far) == ["22:30, at night"]


def test_the_parts_of_a_day_have_names() -> None:
    hours = (3, 5, 12, 17, 22)
    names = [part_of_day(RUN.started_at.replace(hour=hour)) for hour in hours]
    assert names == ["night", "morning", "afternoon", "evening", "night"]


def test_what_is_not_known_is_not_told() -> None:
    bare = Facts("unknown", RUN.started_at, distance=0, elapsed=60, moving=60)
    assert [fact.name for fact in facts_in_words(bare, BERLIN)] == ["date", "start", "moving time"]


def test_even_kilometres_have_no_fastest() -> None:
    even = Facts("running", RUN.started_at, 2000, 600, 600, splits=(Split(1, 1000, 300),) * 2)
    assert texts(even, "fastest kilometre") == []


@pytest.mark.parametrize(
    ("seconds", "said", "shown"),
    [
        (0, "0 s", "0:00"),
        (59.6, "1 min", "1:00"),
        (3133, "52 min 13 s", "52:13"),
        (3600, "1 h", "1:00:00"),
        (3733, "1 h 2 min 13 s", "1:02:13"),
    ],
)
def test_durations(seconds: float, said: str, shown: str) -> None:
    assert (duration(seconds), clock(seconds)) == (said, shown)


def test_two_times_that_read_alike_are_one() -> None:
    assert span(3103.0, 3117.0) == "51:43 to 51:57"
    assert span(1494.8, 1495.2) == "24:55"
