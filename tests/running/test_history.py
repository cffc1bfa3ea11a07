"""An owner's runs as a table: whose day, week and month a run belongs to."""

import time
from datetime import date, timedelta

import pytest

from keepsake.database import connect
from keepsake.running.history import (
    best_efforts,
    monday,
    month_after,
    outdated_months,
    outdated_weeks,
    read_runs,
    runners_between,
)

from .runner import Runner, new_runner


@pytest.fixture
def ada(database_url: str) -> Runner:
    return new_runner(database_url)


def weeks(runner: Runner) -> list[str]:
    with connect(runner.url) as db:
        return [f"{week:%Y-%m-%d}" for week in read_runs(db, runner.owner)["week"]]


def test_a_run_belongs_to_the_week_of_the_runners_own_clock(database_url: str) -> None:
    york = new_runner(database_url, "Sam", "America/New_York")
    york.ran("2026-05-10T23:30")  # Monday, 11 May, in UTC
    york.ran("2026-05-11T00:10")
    assert weeks(york) == ["2026-05-04", "2026-05-11"]


@pytest.mark.parametrize(
    ("first", "last", "week"),
    [
        ("2026-03-23T00:05", "2026-03-29T23:55", "2026-03-23"),  # 167 hours
        ("2026-10-19T00:05", "2026-10-25T23:55", "2026-10-19"),  # 169 hours
    ],
)
def test_a_week_with_a_change_of_clocks_is_a_week(
    ada: Runner, first: str, last: str, week: str
) -> None:
    ada.ran(first)
    ada.ran(last)
    assert weeks(ada) == [week, week]
    with connect(ada.url) as db:
        day = date.fromisoformat(week)
        assert runners_between(db, day, day + timedelta(days=7)) == [ada.owner]
        assert runners_between(db, day + timedelta(days=7), day + timedelta(days=14)) == []
        assert runners_between(db, day - timedelta(days=7), day) == []


def test_only_runs_are_read(ada: Runner) -> None:
    ada.ran("2026-05-04T07:00", sport="cycling")
    assert weeks(ada) == []


def test_another_owners_runs_are_not_read(ada: Runner, database_url: str) -> None:
    new_runner(database_url, "Sam").ran("2026-05-04T07:00")
    assert weeks(ada) == []


def test_what_a_file_does_not_know_is_not_a_number(ada: Runner) -> None:
    ada.ran("2026-05-04T07:00", heart_rate=None, ascent=None)
    with connect(ada.url) as db:
        run = read_runs(db, ada.owner).iloc[0]
    assert run[["ascent", "heart_rate", "drift", "zone1"]].isna().all()


def test_zones_of_which_nobody_knows_what_they_are_parts_of_are_not_read(ada: Runner) -> None:
    ada.ran("2026-05-04T07:00", zones=(60, 60, 60, 60, 60), zone_maximum=None)
    ada.ran("2026-05-05T07:00", zones=(60, 60, 60, 60, 60))
    with connect(ada.url) as db:
        assert list(read_runs(db, ada.owner)["zone1"].isna()) == [True, False]


def test_an_effort_of_a_run_that_is_a_little_short_knows_what_was_measured(ada: Runner) -> None:
    ada.ran("2026-05-09T07:00", 4.998, best_efforts={"1000": 250.0, "5000": 1450.0})
    with connect(ada.url) as db:
        found = best_efforts(db, ada.owner, date(2026, 5, 1), date(2026, 6, 1))
    assert [effort.measured for effort in found] == [1000, 4998]


def test_a_best_effort_is_the_fastest_of_the_days_asked_for(ada: Runner) -> None:
    ada.ran("2026-02-01T07:00", best_efforts={"5000": 1100.0})
    ada.ran("2026-05-04T07:00", best_efforts={"5000": 1300.0, "21097.5": 6000.0})
    fastest = ada.ran("2026-05-09T07:00", best_efforts={"5000": 1200.0})
    with connect(ada.url) as db:
        efforts = best_efforts(db, ada.owner, date(2026, 3, 1), date(2026, 5, 11))
    assert [(e.metres, e.seconds) for e in efforts] == [(5000.0, 1200.0), (21097.5, 6000.0)]
    assert (efforts[0].day, efforts[0].record_id) == (date(2026, 5, 9), fastest)


def test_a_week_is_out_of_date_until_its_digest_is_newer_than_its_runs_and_letters(
    ada: Runner,
) -> None:
    run = ada.ran("2026-05-04T07:00")
    with connect(ada.url) as db:
        assert outdated_weeks(db, limit=5) == [date(2026, 5, 4)]
        db.execute(
            "INSERT INTO weekly_digests (owner_id, week, facts, page_key, made_at)"
            " VALUES (%s, '2026-05-04', '{}', 'k', now() - interval '10 minutes')",
            (ada.owner.id,),
        )
        assert outdated_weeks(db, limit=5) == []
        ada.wrote(run, "Dear Ada")
        assert outdated_weeks(db, limit=5) == [date(2026, 5, 4)]


def test_months_are_out_of_date_by_runs_alone_and_the_newest_come_first(ada: Runner) -> None:
    run = ada.ran("2026-05-31T23:30")
    ada.ran("2026-03-04T07:00")
    with connect(ada.url) as db:
        assert outdated_months(db, limit=5) == [date(2026, 5, 1), date(2026, 3, 1)]
        assert outdated_months(db, limit=1) == [date(2026, 5, 1)]
        db.execute(
            "INSERT INTO trends (owner_id, month, facts, made_at)"
            " VALUES (%s, '2026-05-01', '{}', now() - interval '10 minutes')",
            (ada.owner.id,),
        )
        ada.wrote(run, "Dear Ada")
        assert outdated_months(db, limit=5) == [date(2026, 3, 1)]


def test_ten_thousand_runs_are_read_within_two_seconds(ada: Runner) -> None:
    run = ada.ran("2026-05-04T07:00", zones=(60, 60, 60, 60, 60), best_efforts={"5000": 1200.0})
    with connect(ada.url) as db:
        db.execute(
            "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
            " SELECT 'running', %s, 'copy-' || n, now() - n * interval '12 hours', 'x'"
            " FROM generate_series(1, 9999) AS n",
            (ada.owner.id,),
        )
        db.execute(
            "INSERT INTO activities SELECT r.id, a.owner_id, a.sport, r.recorded_at, a.distance,"
            " a.elapsed, a.moving, a.ascent, a.descent, a.heart_rate, a.max_heart_rate, a.cadence,"
            " a.drift, a.splits, a.zones, a.best_efforts, a.issues"
            " FROM records r, activities a WHERE a.record_id = %s AND r.id <> a.record_id",
            (run,),
        )
        began = time.perf_counter()
        runs = read_runs(db, ada.owner)
        seconds = time.perf_counter() - began
    assert len(runs) == 10_000
    assert seconds < 2  # 0.2 s where it was measured; 2 for a busy machine


def test_monday_and_the_next_month() -> None:
    assert monday(date(2026, 5, 10)) == date(2026, 5, 4)
    assert monday(date(2026, 5, 4)) == date(2026, 5, 4)
    assert month_after(date(2026, 12, 31)) == date(2027, 1, 1)
    assert month_after(date(2026, 1, 31)) == date(2026, 2, 1)
