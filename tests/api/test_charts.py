"""Where the marks of a chart are, and what it does not draw."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from keepsake.api.charts import FOOT, TOP, Buckets, Measured, bar_chart, evenly, line_chart

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
DAY = evenly(NOON, timedelta(hours=1), 24)
MONTH = evenly(datetime(2026, 10, 30, tzinfo=UTC), timedelta(days=1), 30)


def hours(count: int) -> Buckets:
    return evenly(NOON, timedelta(hours=1), count)


def plain(value: float) -> str:
    return f"{value:g}"


def test_what_was_not_measured_is_a_gap_and_never_a_zero() -> None:
    chart = line_chart(hours(5), [Measured("a", [1, 2, None, 0, 4])], plain)
    (line,) = chart.lines
    assert line.path == "M100.0 75.0L300.0 50.0M700.0 100.0L900.0 0.0"
    assert [column.values for column in chart.columns] == [("1",), ("2",), ("–",), ("0",), ("4",)]


def test_a_value_without_neighbours_is_a_dot() -> None:
    chart = line_chart(hours(3), [Measured("a", [None, 2, None])], plain)
    assert (chart.lines[0].path, chart.lines[0].dots) == ("", "M500.0 0.0h.01")


def test_a_bucket_is_as_wide_as_it_is_long() -> None:
    longer = Buckets([NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=4)])
    chart = line_chart(longer, [Measured("a", [1, 1])], plain)
    assert [(column.x, column.width) for column in chart.columns] == [(0, 25), (25, 75)]
    assert chart.lines[0].path == "M125.0 0.0L625.0 0.0"


def test_figures_stand_on_each_other_in_a_bar() -> None:
    first, second = (Measured("a", [1, None]), Measured("b", [3, 2]))
    chart = bar_chart(hours(2), [first, second], plain)
    lower, upper, alone = chart.bars
    assert (lower.of, upper.of, alone.of) == (0, 1, 1)
    assert lower.y + lower.height == FOOT
    assert upper.y + upper.height == pytest.approx(lower.y)
    assert (upper.y, alone.y) == (TOP, (TOP + FOOT) / 2)


@pytest.mark.parametrize("highest", [0.0, 0.003, 1.0, 7.3, 99.9, 12_345.6])
def test_round_numbers_beside_a_chart_begin_with_0_and_hold_all_of_it(highest: float) -> None:
    chart = line_chart(hours(2), [Measured("a", [0, highest])], plain)
    marks = [float(tick.label) for tick in chart.ticks]
    assert (marks[0], chart.ticks[0].at, chart.ticks[-1].at) == (0, FOOT, TOP)
    assert marks[-1] >= highest
    assert 2 <= len(marks) <= 5


@pytest.mark.parametrize(
    ("buckets", "said"),
    [
        (DAY, ["18:00", "28 Nov", "06:00"]),
        (evenly(NOON + timedelta(minutes=7), timedelta(hours=1), 24), ["18:00", "28 Nov", "06:00"]),
        (evenly(NOON, timedelta(minutes=5), 36), ["13:00", "14:00"]),
        (MONTH, ["10 Nov", "20 Nov"]),
    ],
    ids=["a day", "a day that begins askew", "three hours", "a month"],
)
def test_times_below_a_chart_are_round_and_far_from_each_other(
    buckets: Buckets, said: list[str]
) -> None:
    chart = bar_chart(buckets, [Measured("a", [1] * (len(buckets.bounds) - 1))], plain)
    assert [time.label for time in chart.times] == said
    places = [time.at for time in chart.times]
    assert 8 <= places[0] <= places[-1] <= 92
    assert all(after - before >= 20 for before, after in pairwise(places))


def test_times_are_those_of_the_place_also_where_the_clock_goes_back() -> None:
    since = datetime(2026, 10, 31, 12, tzinfo=ZoneInfo("America/New_York"))
    chart = line_chart(evenly(since, timedelta(hours=1), 24), [Measured("a", [1] * 24)], plain)
    assert [time.label for time in chart.times] == ["18:00", "1 Nov", "06:00"]
    assert [column.time for column in chart.columns][12:15] == ["00:00", "01:00", "01:00"]


def test_a_chart_knows_that_nothing_was_measured() -> None:
    assert line_chart(hours(2), [Measured("a", [None, None])], plain).is_empty
    assert not line_chart(hours(2), [Measured("a", [None, 0])], plain).is_empty
