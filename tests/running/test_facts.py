"""The facts of activities, held against runs whose numbers can be told in one's head."""

import dataclasses
import json
import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from keepsake.errors import PermanentError
from keepsake.running.compute import compute
from keepsake.running.facts import EFFORTS, Facts, Seen
from keepsake.worker_pool import WorkerPool
from tests.running.activity_files import (
    METRES_A_DEGREE,
    MORNING,
    Run,
    fit,
    gpx,
    steady,
    tcx,
)

WRITERS = pytest.mark.parametrize("write", [fit, gpx, tcx], ids=["fit", "gpx", "tcx"])
Writer = Callable[[Run], bytes]


def issues(facts: Facts) -> dict[str, int]:
    return {issue.kind: issue.count for issue in facts.issues}


def varied(minutes: float = 60, seed: int = 1) -> Run:
    """A run whose pace, heart rate and height change all the time."""
    run = steady(minutes=minutes, seed=seed)
    chance = np.random.default_rng(seed)
    distance = np.concatenate([[0], np.cumsum(chance.uniform(2, 4.5, len(run.seconds) - 1))])
    return replace(
        run,
        distance=np.round(distance, 2),
        latitude=10 + distance / METRES_A_DEGREE,
        elevation=100 + 30 * np.sin(distance / 900),
        heart_rate=np.round(150 + 20 * np.sin(run.seconds / 300)),
    )


def standing(run: Run, at: int, seconds: int) -> Run:
    """The run with a stand-still of so many seconds before the point `at`, a point a second."""

    held = run.of_points(np.insert(np.arange(len(run.seconds)), at, np.full(seconds, at)))
    waited = np.minimum(np.maximum(np.arange(len(held.seconds)) - at, 0), seconds)
    return replace(held, seconds=held.seconds + waited)


class TestASteadyRun:
    """10 km in 50 minutes at 150 beats: 5:00 a kilometre."""

    @WRITERS
    def test_has_the_same_facts_in_every_format(self, write: Writer) -> None:
        facts = compute(write(steady(minutes=50)), max_heart_rate=190)
        assert (facts.sport, facts.started_at) == ("running", MORNING)
        assert facts.distance == pytest.approx(10_000, abs=0.1)
        assert (facts.elapsed, facts.moving) == (3000, 3000)
        assert facts.pace == pytest.approx(300, abs=0.01)
        assert (facts.heart_rate, facts.max_heart_rate) == (150, 150)
        assert facts.cadence == 170
        assert (facts.ascent, facts.descent) == (0, 0)
        assert facts.drift == pytest.approx(0, abs=0.01)
        assert facts.issues == ()

    @WRITERS
    def test_has_ten_equal_kilometres(self, write: Writer) -> None:
        splits = compute(write(steady(minutes=50))).splits
        assert [split.kilometre for split in splits] == list(range(1, 11))
        assert [split.seconds for split in splits] == pytest.approx([300] * 10, abs=0.05)
        assert {split.heart_rate for split in splits} == {150}

    def test_is_as_fast_over_every_distance(self) -> None:
        efforts = compute(fit(steady(minutes=50))).best_efforts
        assert efforts == pytest.approx(
            {"400": 120, "1000": 300, "1609.344": 482.8, "5000": 1500, "10000": 3000}, abs=0.01
        )

    def test_spends_all_its_time_in_one_zone(self) -> None:
        zones = compute(fit(steady(minutes=50)), max_heart_rate=190).zones  # 150 is 79 %
        assert zones == (0, 0, 3000, 0, 0)


def test_the_rest_after_the_last_kilometre_is_a_split() -> None:
    splits = compute(fit(steady(minutes=12))).splits
    assert [(split.distance, split.seconds) for split in splits] == [
        (1000, 300),
        (1000, 300),
        (400, 120),
    ]
    assert splits[-1].pace == 300


def test_zones_begin_at_tenths_of_the_highest_heart_rate() -> None:
    run = steady(minutes=10)
    beats = np.repeat([90.0, 100, 120, 140, 160, 180], 100)  # six times 100 seconds
    facts = compute(fit(replace(run, heart_rate=np.append([90.0], beats))), max_heart_rate=200)
    assert facts.zones == (100, 100, 100, 100, 100)  # below 50 % is in none


class TestWithoutAStatedHighestHeartRate:
    FILE = fit(steady(minutes=10, heart_rate=150))

    @pytest.mark.parametrize("seen", [None, Seen(187, 18)])
    def test_there_are_no_zones_from_fewer_than_twenty_activities(self, seen: Seen | None) -> None:
        facts = compute(self.FILE, seen=seen)
        assert facts.zones == ()
        assert (facts.zone_maximum, facts.zone_activities) == (None, None)
        assert (facts.heart_rate, facts.max_heart_rate) == (150, 150)

    def test_the_most_that_twenty_have_shown_is_assumed_and_named(self) -> None:
        facts = compute(self.FILE, seen=Seen(200, 19))
        assert list(facts.zones) == [0, 0, 600, 0, 0]
        assert (facts.zone_maximum, facts.zone_activities) == (200, 20)

    def test_the_activity_itself_may_show_the_most(self) -> None:
        facts = compute(self.FILE, seen=Seen(140, 30))
        assert (facts.zone_maximum, facts.zone_activities) == (150, 31)

    def test_what_was_stated_goes_before_what_was_seen(self) -> None:
        facts = compute(self.FILE, seen=Seen(140, 30), max_heart_rate=200)
        assert list(facts.zones) == [0, 0, 600, 0, 0]
        assert (facts.zone_maximum, facts.zone_activities) == (200, None)


def test_drift_compares_speed_at_a_heart_rate_between_the_halves() -> None:
    run = steady(minutes=60)
    second_half = run.seconds > 1800
    facts = compute(fit(replace(run, heart_rate=np.where(second_half, 150.0, 140.0))))
    assert facts.drift == pytest.approx(100 * (1 - 140 / 150), abs=0.01)


def test_a_short_run_has_no_drift() -> None:
    assert compute(fit(steady(minutes=15))).drift is None


def test_a_hill_is_climbed_and_left() -> None:
    run = steady(minutes=50)
    assert run.distance is not None
    hill = 100 + 0.01 * np.minimum(run.distance, 10_000 - run.distance)
    facts = compute(fit(replace(run, elevation=hill)))
    assert facts.ascent == pytest.approx(50, abs=3)
    assert facts.descent == pytest.approx(50, abs=3)
    assert [split.ascent for split in facts.splits[5:]] == [0] * 5
    assert sum(split.ascent or 0 for split in facts.splits) == pytest.approx(facts.ascent, abs=0.6)


def test_the_noise_of_a_barometer_is_no_climb() -> None:
    run = steady(minutes=30)
    noise = np.random.default_rng(1).normal(0, 0.5, len(run.seconds))
    facts = compute(fit(replace(run, elevation=100 + noise)))
    assert (facts.ascent, facts.descent) == (0, 0)


@pytest.mark.parametrize(("counted", "steps"), [(85, 170), (170, 170)])
def test_strides_are_counted_as_two_steps(counted: float, steps: float) -> None:
    run = steady(minutes=5)
    facts = compute(fit(replace(run, cadence=np.full(len(run.seconds), counted))))
    assert facts.cadence == steps


@pytest.mark.parametrize(("counted", "steps"), [(55, 110), (105, 105)])
def test_steps_of_a_walk_are_not_taken_for_strides(counted: float, steps: float) -> None:
    walk = steady(minutes=5, sport="walking", pace=700)
    facts = compute(fit(replace(walk, cadence=np.full(len(walk.seconds), counted))))
    assert facts.cadence == steps


def test_nothing_is_said_of_turns_or_steps_where_the_sport_is_not_known() -> None:
    facts = compute(gpx(steady(minutes=5)).replace(b"<type>running</type>", b""))
    assert (facts.sport, facts.cadence) == ("unknown", None)


def test_turns_of_a_wheel_are_not() -> None:
    assert compute(fit(steady(minutes=5, sport="cycling", pace=150))).cadence == 85


class TestAStop:
    @WRITERS
    def test_is_no_moving_time(self, write: Writer) -> None:
        facts = compute(write(standing(steady(minutes=20), at=600, seconds=90)))
        assert (facts.elapsed, facts.moving) == (1290, 1200)
        assert facts.distance == pytest.approx(4000, abs=0.1)
        assert issues(facts) == {"pause": 1}

    def test_counts_in_a_best_effort(self) -> None:
        facts = compute(fit(standing(steady(minutes=50), at=1500, seconds=90)))
        assert facts.best_efforts["5000"] == 1500
        assert facts.best_efforts["10000"] == 3090

    def test_of_less_than_ten_seconds_is_none(self) -> None:
        facts = compute(fit(standing(steady(minutes=20), at=600, seconds=8)))
        assert facts.moving == 1208

    @WRITERS
    def test_that_the_watch_marked_is_one_whatever_its_length(self, write: Writer) -> None:
        run = steady(minutes=20)
        paused = np.where(run.seconds >= 600, run.seconds + 7200, run.seconds)
        facts = compute(write(replace(run, seconds=paused, pauses=frozenset({600}))))
        assert facts.elapsed == 8400
        assert facts.moving == 1199  # the second before the first point after the pause
        assert issues(facts) == {"pause": 1}

    def test_of_a_gpx_track_adds_no_distance_between_its_ends(self) -> None:
        run = steady(minutes=20)
        assert run.latitude is not None
        moved = np.where(run.seconds >= 600, run.latitude + 0.01, run.latitude)  # 1.1 km on
        facts = compute(gpx(replace(run, latitude=moved, pauses=frozenset({600}))))
        assert facts.distance == pytest.approx(4000 - 10 / 3, abs=0.1)


class TestAWrongClock:
    @pytest.mark.parametrize("jump", [-3600, 5 * 3600, 10 * 365 * 86_400])
    def test_that_jumps_goes_on_at_the_usual_step(self, jump: float) -> None:
        run = steady(minutes=20)
        jumped = np.where(run.seconds >= 600, run.seconds + jump, run.seconds)
        facts = compute(gpx(replace(run, seconds=jumped)))
        assert (facts.elapsed, facts.moving) == (1200, 1200)
        assert issues(facts) == {"clock_jump": 1}

    def test_of_one_point_leaves_the_others_be(self) -> None:
        run = steady(minutes=20)
        seconds = run.seconds.copy()
        seconds[600] = 12 * 3600
        facts = compute(gpx(replace(run, seconds=seconds)))
        assert facts.elapsed == 1200
        assert issues(facts) == {"clock_jump": 2}

    def test_that_steps_back_a_little_loses_the_late_points(self) -> None:
        run = steady(minutes=20)
        seconds = run.seconds.copy()
        seconds[600] -= 5
        facts = compute(gpx(replace(run, seconds=seconds)))
        assert facts.elapsed == 1200
        assert facts.distance == pytest.approx(4000, abs=0.1)
        assert issues(facts) == {"late_point": 1}


def test_a_point_that_is_there_twice_counts_once() -> None:
    once = steady(minutes=20)
    twice = once.of_points(np.repeat(np.arange(len(once.seconds)), 2))
    doubled = compute(fit(twice))
    assert issues(doubled) == {"duplicate_point": 1201}
    assert replace(doubled, issues=()) == compute(fit(once))


def test_points_that_a_watch_writes_in_two_pieces_are_one() -> None:
    run = steady(minutes=20)
    twice = run.of_points(np.repeat(np.arange(len(run.seconds)), 2))
    first = np.arange(len(twice.seconds)) % 2 == 0
    pieces: dict[str, Any] = {
        name: np.where(first == (name in ("latitude", "longitude")), values, np.nan)
        for name in ("latitude", "longitude", "distance", "elevation", "heart_rate", "cadence")
        if (values := getattr(twice, name)) is not None
    }
    facts = compute(fit(replace(twice, **pieces)))
    assert replace(facts, issues=()) == compute(fit(run))


def test_a_climb_of_three_metres_is_none_in_whichever_fractions_a_file_counts() -> None:
    run = steady(minutes=10)
    for low in (1.4, 2.4, 9.2, 100.0):
        stairs = np.where(run.seconds < 300, low, round(low + 3, 1))
        assert {compute(w(replace(run, elevation=stairs))).ascent for w in (fit, gpx)} == {0}


def test_a_position_out_of_reach_adds_no_distance() -> None:
    run = steady(minutes=20)
    assert run.latitude is not None
    latitude = run.latitude.copy()
    latitude[600] += 0.1  # 11 km away for a second
    facts = compute(gpx(replace(run, latitude=latitude)))
    assert facts.distance == pytest.approx(4000 - 20 / 3, abs=0.1)  # two legs of 10/3 m
    assert facts.moving == 1200
    assert issues(facts) == {"gps_spike": 2}


def test_a_distance_that_begins_again_goes_on() -> None:
    run = steady(minutes=20)
    assert run.distance is not None
    again = np.where(run.seconds >= 600, run.distance - run.distance[600], run.distance)
    facts = compute(tcx(replace(run, distance=again)))
    assert facts.distance == pytest.approx(4000 - 10 / 3, abs=0.1)
    assert issues(facts) == {"distance_jump": 1}


def test_points_without_a_position_lie_between_those_that_have_one() -> None:
    run = steady(minutes=20)
    assert run.latitude is not None
    tunnel = (run.seconds > 600) & (run.seconds < 700)
    file = tcx(replace(run, latitude=np.where(tunnel, np.nan, run.latitude), distance=None))
    facts = compute(file)
    assert facts.distance == pytest.approx(4000, abs=0.1)
    assert facts.splits[2].seconds == pytest.approx(300, abs=0.1)


@WRITERS
def test_without_a_heart_rate_there_is_nothing_of_the_heart(write: Writer) -> None:
    facts = compute(write(steady(minutes=30, heart_rate=None)), max_heart_rate=190)
    assert (facts.heart_rate, facts.max_heart_rate, facts.drift) == (None, None, None)
    assert facts.zones == ()
    assert {split.heart_rate for split in facts.splits} == {None}
    assert issues(facts) == {"no_heart_rate": 1801}


def test_a_heart_rate_that_cannot_be_is_missing() -> None:
    run = steady(minutes=30)
    beats = np.where(run.seconds < 300, 0.0, 150.0)
    facts = compute(fit(replace(run, heart_rate=beats)))
    assert facts.heart_rate == 150
    assert issues(facts) == {"heart_rate_out_of_range": 300, "heart_rate_gaps": 300}


def test_a_heart_rate_of_a_few_minutes_speaks_for_nothing() -> None:
    run = steady(minutes=30)
    beats = np.where(run.seconds < 600, 150.0, np.nan)
    assert compute(fit(replace(run, heart_rate=beats))).heart_rate is None


def test_a_treadmill_without_distance_has_a_time_and_a_heart_rate() -> None:
    indoors = replace(steady(minutes=30), latitude=None, longitude=None, distance=None)
    facts = compute(fit(indoors))
    assert (facts.distance, facts.moving, facts.heart_rate, facts.pace) == (0, 1800, 150, None)
    assert (facts.splits, facts.best_efforts) == ((), {})
    assert issues(facts) == {"no_distance": 1}


@pytest.mark.parametrize("write", [fit, tcx])
def test_an_activity_entered_by_hand_has_what_its_file_says(write: Writer) -> None:
    by_hand = Run(MORNING, np.array([1800.0]), distance=np.array([6000.0]))
    file = write(by_hand)
    if write is tcx:
        file = file[: file.index(b"<Track>")] + file[file.index(b"</Track>") + 8 :]
    facts = compute(file)
    assert (facts.distance, facts.elapsed, facts.moving) == (6000, 1800, 1800)
    assert issues(facts) == {"no_points": 1}


@pytest.mark.parametrize(("metres", "seconds"), [("1e300", "60"), ("-5", "60"), ("5", "1e300")])
def test_totals_that_cannot_be_are_no_activity(metres: str, seconds: str) -> None:
    file = (
        "<TrainingCenterDatabase><Activities><Activity Sport='Running'>"
        f"<Lap StartTime='2026-09-06T05:30:00Z'><TotalTimeSeconds>{seconds}</TotalTimeSeconds>"
        f"<DistanceMeters>{metres}</DistanceMeters></Lap>"
        "</Activity></Activities></TrainingCenterDatabase>"
    )
    with pytest.raises(PermanentError, match="no activity"):
        compute(file.encode())


def test_a_leap_of_years_and_of_a_hundred_thousand_kilometres_makes_no_facts() -> None:
    run = steady(minutes=20)
    assert run.distance is not None
    later = np.where(run.seconds >= 600, 10 * 365 * 86_400.0, 0)
    far = np.where(run.seconds >= 600, 1e8, 0)
    leaps = replace(
        run, seconds=run.seconds + later, distance=run.distance + far, pauses=frozenset({600})
    )
    with pytest.raises(PermanentError, match="no activity"):
        compute(tcx(leaps))


def test_who_only_crept_has_no_pace() -> None:
    facts = compute(fit(steady(minutes=60, pace=6000)))
    assert (facts.distance, facts.moving, facts.pace) == (600, 0, None)


def test_a_file_with_nothing_in_it_has_no_facts() -> None:
    with pytest.raises(PermanentError, match="no track points"):
        compute(b"<gpx><trk><trkseg/></trk></gpx>")


class TestWhateverTheRun:
    """Properties that hold of any."""

    @pytest.mark.parametrize("seed", range(5))
    def test_its_splits_add_up(self, seed: int) -> None:
        facts = compute(fit(varied(seed=seed)))
        assert sum(split.distance for split in facts.splits) == pytest.approx(facts.distance)
        assert sum(split.seconds for split in facts.splits) == pytest.approx(facts.moving, abs=0.1)

    @pytest.mark.parametrize("seed", range(5))
    def test_a_longer_effort_takes_longer_and_is_no_faster(self, seed: int) -> None:
        efforts = [
            (float(metres), s) for metres, s in compute(fit(varied(seed=seed))).best_efforts.items()
        ]
        assert len(efforts) >= 5
        for (short, fast), (long, slow) in pairwise(efforts):
            assert fast < slow
            assert fast / short <= slow / long * 1.02

    @pytest.mark.parametrize("seed", range(3))
    def test_a_best_effort_is_the_best_of_all_windows(self, seed: int) -> None:
        run = varied(minutes=12, seed=seed)
        assert run.distance is not None
        best = compute(fit(run)).best_efforts["1000"]
        tried = np.linspace(0, run.distance[-1] - 1000, 20_001)
        windows = np.interp(tried + 1000, run.distance, run.seconds) - np.interp(
            tried, run.distance, run.seconds
        )
        assert best <= np.min(windows) + 0.01
        assert best == pytest.approx(np.min(windows), abs=0.2)

    @pytest.mark.parametrize("seed", range(20))
    def test_a_best_effort_between_two_rests_has_none_of_them(self, seed: int) -> None:
        chance = np.random.default_rng(seed)
        seconds = chance.integers(70, 110, 8)  # of eight rounds of 400 m
        legs = [round(chance.uniform(1, 12), 2)]  # where on the track it begins
        for each in seconds:
            legs += [0.0] * 60 + [400 / each] * each
        distance = np.round(np.cumsum([0.0, *legs, *[0.0] * 60]), 2)
        run = Run(MORNING, np.arange(float(len(distance))), distance=distance)
        assert compute(tcx(run)).best_efforts["400"] == pytest.approx(min(seconds), abs=0.01)

    def test_its_facts_do_not_depend_on_when_it_was_run(self) -> None:
        run = varied()
        later = replace(run, started_at=run.started_at + timedelta(days=400, seconds=7))
        facts = compute(fit(run))
        assert compute(fit(later)) == dataclasses.replace(facts, started_at=later.started_at)

    def test_nor_on_where(self) -> None:
        run = varied()
        assert run.longitude is not None
        elsewhere = replace(run, longitude=run.longitude - 20)
        assert compute(gpx(elsewhere)).distance == pytest.approx(compute(gpx(run)).distance)

    def test_a_zone_s_seconds_are_moving_time(self) -> None:
        facts = compute(fit(standing(varied(), at=900, seconds=120)), max_heart_rate=200)
        assert sum(facts.zones) == pytest.approx(facts.moving)


def run_of(metres: float, seconds: int) -> Run:
    """An even run."""
    clock = np.arange(seconds + 1.0)
    return Run(MORNING, clock, distance=np.round(clock / seconds * metres, 2))


class TestARunOfAboutARaceDistance:
    """What a watch measures of a race is up to one per cent more or less."""

    @pytest.mark.parametrize("metres", [4950, 4998, 5000])
    def test_counts_as_it_with_its_own_time(self, metres: float) -> None:
        assert compute(tcx(run_of(metres, 1450))).best_efforts["5000"] == 1450

    def test_that_is_longer_has_the_fastest_stretch_in_it(self) -> None:
        assert compute(tcx(run_of(5040, 1450))).best_efforts["5000"] == pytest.approx(1438.5, abs=1)

    def test_of_more_than_one_per_cent_less_does_not(self) -> None:
        assert "5000" not in compute(tcx(run_of(4949, 1450))).best_efforts

    def test_counts_without_the_rest_before_its_start(self) -> None:
        run = run_of(4998, 1450)
        assert run.distance is not None
        waited = np.concatenate([np.zeros(60), run.distance])
        late = Run(MORNING, np.arange(60.0 + 1451), distance=waited)
        assert compute(tcx(late)).best_efforts["5000"] == 1450

    def test_counts_where_only_the_totals_are_known(self) -> None:
        by_hand = Run(MORNING, np.array([1450.0]), distance=np.array([4998.0]))
        assert compute(fit(by_hand)).best_efforts == {"5000": 1450}


def test_every_effort_is_told_by_its_metres() -> None:
    facts = compute(fit(steady(minutes=230, every=10)))
    assert tuple(facts.best_efforts) == tuple(EFFORTS)


def test_facts_come_from_another_process_and_from_a_database_as_they_were() -> None:
    facts = compute(fit(varied()), max_heart_rate=190)
    assert pickle.loads(pickle.dumps(facts)) == facts
    row = asdict(facts)
    row.pop("started_at")
    assert Facts(started_at=facts.started_at, **json.loads(json.dumps(row))) == facts


async def test_a_hundred_kilometres_of_a_hundred_thousand_points_take_little() -> None:
    file = gpx(steady(minutes=600, pace=360, every=0.36))
    workers = WorkerPool(processes=1, memory_mb=256)
    try:
        facts = await workers.run(compute, file, max_heart_rate=190, seconds=60)
    finally:
        await workers.close()
    assert facts.distance == pytest.approx(100_000, abs=1)
    assert len(facts.splits) == 100


async def test_what_is_wrong_with_a_file_is_told_across_processes() -> None:
    workers = WorkerPool(processes=1, memory_mb=256)
    try:
        with pytest.raises(PermanentError, match="breaks off after 60 of"):
            await workers.run(compute, fit(steady())[:60], seconds=60)
    finally:
        await workers.close()
