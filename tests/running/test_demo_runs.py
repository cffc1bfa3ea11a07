"""The demo's activities: what they promise to whoever watches the demo."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepsake.demo.make_runs import PLANS, RUNS
from keepsake.running.compute import compute
from keepsake.running.facts import Facts

FILES = sorted(RUNS.iterdir())


@pytest.fixture(scope="module")
def runs() -> dict[str, Facts]:
    return {file.name: compute(file.read_bytes(), max_heart_rate=188) for file in FILES}


def test_they_are_those_of_the_plan_and_small() -> None:
    assert [file.name for file in FILES] == [plan.file for plan in PLANS]
    assert sum(file.stat().st_size for file in FILES) < 400_000


def test_they_come_in_every_format() -> None:
    assert {Path(file.name.removesuffix(".gz")).suffix for file in FILES} == {
        ".fit",
        ".gpx",
        ".tcx",
    }


def test_two_weeks_have_three_runs_each(runs: dict[str, Facts]) -> None:
    weeks = Counter(facts.started_at.isocalendar().week for facts in runs.values())
    assert sorted(weeks.values()) == [1, 1, 3, 3]
    assert max(facts.started_at for facts in runs.values()) < datetime(2026, 11, 20, tzinfo=UTC)


def test_the_harbor_loop_becomes_faster_at_a_lower_heart_rate(runs: dict[str, Facts]) -> None:
    loops = [facts for name, facts in runs.items() if "harbor" in name]
    paces = [facts.pace or 0 for facts in loops]
    rates = [facts.heart_rate or 0 for facts in loops]
    assert paces == sorted(paces, reverse=True)
    assert rates == sorted(rates, reverse=True)
    assert max(facts.distance for facts in loops) - min(facts.distance for facts in loops) < 50


def test_there_is_a_long_run_and_one_without_a_heart_rate(runs: dict[str, Facts]) -> None:
    assert sum("21097.5" in facts.best_efforts for facts in runs.values()) == 1
    assert [name for name, facts in runs.items() if facts.heart_rate is None] == [
        "2026-11-12-shore.gpx"
    ]


def test_the_intervals_reach_the_highest_zone(runs: dict[str, Facts]) -> None:
    assert runs["2026-11-05-intervals.fit.gz"].zones[4] > 300
