"""Where running is going: the formulas, on tables small enough to count by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pytest

from keepsake.running import trends
from keepsake.running.history import ZONES
from keepsake.running.page import compared
from keepsake.running.suggestions import suggest

WEEK = pd.Timestamp("2026-05-04")


def run(day: str, km: float = 10.0, *, pace: float = 300.0, **known: Any) -> dict[str, Any]:
    return {
        "started": pd.Timestamp(f"{day}T07:00"),
        "distance": km * 1000,
        "moving": km * pace,
        "ascent": 50.0,
        "heart_rate": 150.0,
        "drift": float("nan"),
        "zone_maximum": 188.0,
        "zone_activities": float("nan"),
        **dict(zip(ZONES, known.pop("zones", [float("nan")] * 5), strict=True)),
        **known,
    }


def table(*runs: Mapping[Any, Any]) -> pd.DataFrame:
    """Runs as `read_runs` gives them."""
    frame = pd.DataFrame([dict(run) for run in runs])
    frame["record_id"] = range(1, len(frame) + 1)
    frame["day"] = frame["started"].dt.normalize()
    frame["week"] = frame["day"] - pd.to_timedelta(frame["day"].dt.weekday, unit="D")
    frame["month"] = frame["day"] - pd.to_timedelta(frame["day"].dt.day - 1, unit="D")
    return frame


def weekly(kilometres: Sequence[float]) -> pd.DataFrame:
    """One run a week of so many kilometres, up to `WEEK`; none where it is 0."""
    last = len(kilometres) - 1
    return table(
        *(
            run(f"{WEEK - pd.Timedelta(weeks=last - at):%Y-%m-%d}", km)
            for at, km in enumerate(kilometres)
            if km
        )
    )


def rules(runs: pd.DataFrame) -> list[str]:
    by_week = trends.volume(runs, "week", WEEK)
    return [suggestion.rule for suggestion in suggest(runs, by_week, WEEK)]


def test_volume_counts_weeks_without_a_run_too() -> None:
    by_week = trends.volume(weekly([10, 0, 30]), "week", WEEK)
    assert list(by_week["distance"]) == [10_000, 0, 30_000]
    assert list(by_week["runs"]) == [1, 0, 1]
    assert by_week["longest"].iloc[-1] == 30_000


def test_volume_of_months() -> None:
    by_month = trends.volume(
        table(run("2026-03-31"), run("2026-03-01", 5), run("2026-05-31")),
        "month",
        pd.Timestamp("2026-05-01"),
    )
    assert list(by_month["distance"]) == [15_000, 0, 10_000]


def test_the_rolling_mean_has_the_week_in_it_and_the_mean_before_has_not() -> None:
    by_week = trends.volume(weekly([10, 20, 30, 40, 50]), "week", WEEK)
    assert by_week["mean4"].iloc[-1] == 35_000
    assert by_week["before4"].iloc[-1] == 25_000
    assert trends.load_ratio(by_week) == 2.0


def test_there_is_no_load_ratio_before_four_weeks_of_history() -> None:
    assert trends.load_ratio(trends.volume(weekly([10, 20, 30, 40]), "week", WEEK)) is None


def test_efficiency_is_metres_per_heartbeat() -> None:
    runs = table(run("2026-05-04", 12, pace=300, heart_rate=160))  # 200 m a minute
    assert trends.efficiency(runs).tolist() == [1.25]


def test_short_runs_and_runs_without_heart_rate_have_no_efficiency() -> None:
    runs = table(run("2026-05-04", 3, pace=300), run("2026-05-05", heart_rate=float("nan")))
    assert trends.efficiency(runs).isna().all()


def test_one_odd_month_does_not_turn_the_trend() -> None:
    months = pd.date_range("2026-01-01", periods=5, freq="MS")
    found = trends.trend(pd.Series([1.00, 1.01, 0.50, 1.03, 1.04], index=months))
    assert found is not None
    assert found.monthly_change == pytest.approx(0.99, abs=0.01)  # 0.01 of a median of 1.01


def test_two_months_make_no_trend() -> None:
    months = pd.date_range("2026-01-01", periods=2, freq="MS")
    found = trends.trend(pd.Series([1.0, 1.2], index=months))
    assert found is not None
    assert (found.median, found.monthly_change) == (1.1, None)


def test_zones_one_to_three_are_easy() -> None:
    found = trends.intensity(table(run("2026-05-04", zones=(100, 200, 300, 300, 100))))
    assert sum(found.zones) == 1000
    assert found.hard == 0.4


def test_what_zones_rest_on_is_told_where_it_is_assumed() -> None:
    zones = (100, 200, 300, 300, 100)
    early = run("2026-05-04", zones=zones, zone_maximum=183.0, zone_activities=20.0)
    late = run("2026-05-05", zones=zones, zone_maximum=187.0, zone_activities=24.0)
    stated = run("2026-05-06", zones=zones)

    def told(*runs: Mapping[Any, Any]) -> str | None:
        assumed = trends.intensity(table(*runs)).assumed
        return trends.rests_on(assumed) if assumed else None

    assert told(stated) is None
    assert told(late, stated) == (
        "with 187 bpm as your highest heart rate, the most that 24 activities have shown"
    )
    assert told(early, late) == (
        "with 183 to 187 bpm as your highest heart rate, the most that 20 or more activities had "
        "shown"
    )


def test_without_heart_rate_there_is_no_intensity() -> None:
    found = trends.intensity(table(run("2026-05-04")))
    assert (found.zones, found.hard) == ((), None)


@pytest.mark.parametrize(
    ("kilometres", "weeks"), [([10, 10, 10], 3), ([10, 0, 10, 10], 2), ([10], 1), ([10, 0], 0)]
)
def test_weeks_in_a_row(kilometres: list[float], weeks: int) -> None:
    assert trends.weeks_in_a_row(trends.volume(weekly(kilometres), "week", WEEK)) == weeks


def test_the_eddington_number_counts_days_not_runs() -> None:
    runs = table(
        run("2026-05-01", 2), run("2026-05-01", 2), run("2026-05-02", 3), run("2026-05-03", 3)
    )
    assert trends.eddington(runs) == 3


def test_a_run_is_ranked_among_its_like() -> None:
    others = [run(f"2026-04-0{at}", pace=pace) for at, pace in enumerate((290, 300, 310, 320), 1)]
    found = trends.compare(table(*others, run("2026-05-04", pace=295)), 4)
    assert found is not None
    assert (found.like, found.pace_rank) == (4, 2)
    assert (found.pace_median, found.pace_difference) == (305, -10)
    assert found.efficiency_rank == 2


@pytest.mark.parametrize(
    "unlike", [{"km": 11.2}, {"km": 8.9}, {"ascent": 200.0}, {"ascent": float("nan")}]
)
def test_runs_of_another_distance_or_steepness_are_not_like(unlike: dict[str, float]) -> None:
    like = [run(f"2026-04-0{at}") for at in (1, 2)]
    this = run("2026-05-04")
    assert trends.compare(table(*like, run("2026-04-03", **unlike), this), 3) is None
    assert trends.compare(table(*like, run("2026-04-03"), this), 3) is not None


def test_without_a_known_ascent_like_runs_have_none_either() -> None:
    flat = [run(f"2026-04-0{at}", ascent=float("nan")) for at in (1, 2, 3, 4)]
    assert trends.compare(table(*flat), 3) is not None


def test_a_run_without_distance_is_not_compared() -> None:
    runs = table(*(run(f"2026-04-0{at}") for at in (1, 2, 3)), run("2026-05-04", 0, moving=600.0))
    assert trends.compare(runs, 3) is None
    assert trends.compare(runs, 2) is None  # two others are too few


def test_an_even_history_asks_for_nothing() -> None:
    assert rules(weekly([10, 10, 10, 10, 10])) == []


def test_a_first_run_asks_for_nothing() -> None:
    assert rules(weekly([10])) == []


def test_a_run_far_longer_than_those_of_a_month_is_named() -> None:
    assert rules(weekly([10, 10, 10, 10, 11])) == []
    assert rules(weekly([10, 10, 10, 10, 11.1])) == ["one long leap"]


def test_a_jump_in_volume_is_named_with_its_numbers() -> None:
    runs = table(*weekly([20, 20, 20, 20, 20]).to_dict("records"), run("2026-05-06", 7))
    by_week = trends.volume(runs, "week", WEEK)
    [found] = suggest(runs, by_week, WEEK)
    assert found.rule == "volume jump"
    assert "27.0 km" in found.text
    assert "1.35 times" in found.text
    assert "20.0 km" in found.text
    assert "disputed" in found.source


def test_too_much_hard_running_is_named_once_there_is_enough_to_go_by() -> None:
    mixed = (0, 0, 5000, 2000, 500)
    assert rules(table(run("2026-05-04", zones=mixed))) == ["too little easy running"]
    assert rules(table(run("2026-05-04", zones=(0, 0, 500, 2000, 500)))) == []
    assert rules(table(run("2026-05-04", zones=(0, 0, 8000, 2000, 500)))) == []


def test_advice_on_zones_of_an_assumed_highest_heart_rate_says_so() -> None:
    hard = run("2026-05-04", zones=(0, 0, 0, 0, 7500), zone_maximum=187.0, zone_activities=24.0)
    runs = table(hard)
    [advice] = suggest(runs, trends.volume(runs, "week", WEEK), WEEK)
    assert advice.text.startswith(
        "100 % of the time of your last four weeks was in heart-rate zones 4 and 5 (with 187 bpm "
        "as your highest heart rate, the most that 24 activities have shown). Run more of it easily"
    )


def test_weeks_without_a_long_run_are_named() -> None:
    days = pd.date_range("2026-04-06", "2026-05-10")
    assert rules(table(*(run(f"{day:%Y-%m-%d}", 5) for day in days))) == ["no long run"]


def test_a_drifting_heart_rate_is_named_on_long_runs_only() -> None:
    assert rules(table(run("2026-05-04", 14, drift=6.0))) == ["drifting heart rate"]
    assert rules(table(run("2026-05-04", 8, drift=6.0))) == []
    assert rules(table(run("2026-05-04", 14, drift=5.0))) == []


def test_runs_that_are_alike_have_no_fastest() -> None:
    alike = trends.Comparison(
        like=4,
        pace_rank=1,
        pace_median=338.0,
        pace_difference=0.0,
        efficiency_rank=1,
        efficiency_difference=0.0,
    )
    assert compared(alike) == "As fast as the median of 5 like runs."
