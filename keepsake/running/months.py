"""What an owner's month of running came to, and where it is going: its facts.

A month is described as it was when it ended, as a week is (`digest.py`).
"""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from keepsake.running import trends
from keepsake.running.history import Effort
from keepsake.running.predictions import Prediction, predict
from keepsake.running.trends import Effortful, Facts, Number, Trend

if TYPE_CHECKING:
    import pandas as pd

EFFICIENCY_MONTHS = 12


class Month(Facts):
    """The facts of a month: metres and seconds. Changes are per cent; None: nothing to compare."""

    month: date
    runs: int
    distance: Number
    moving: Number
    ascent: Number
    longest: Number
    mean4_weeks: Number  # mean distance of the four weeks up to its end
    change_to_last_month: Number | None
    change_to_last_year: Number | None  # to the same month
    weeks_in_a_row: int
    eddington: int
    efficiency: Number | None  # metres per heartbeat, median of the month
    efficiency_trend: Trend | None  # over twelve months
    intensity: Effortful
    predictions: tuple[Prediction, ...]


def make_month(runs: "pd.DataFrame", efforts: Sequence[Effort], month: date) -> Month:
    """The facts of the month that begins with `month`.

    Args:
        runs: all of the owner's runs, at least one of them in the month.
        efforts: the best efforts of the days before the month's end.
        month: its first day.
    """
    import pandas as pd

    first = pd.Timestamp(month)
    runs = runs[runs["month"] <= first]
    this = runs[runs["month"] == first]
    by_month = trends.volume(runs, "month", first)
    by_week = trends.volume(runs, "week", this["week"].max())
    medians = trends.monthly_efficiency(
        runs[runs["month"] > first - pd.DateOffset(months=EFFICIENCY_MONTHS)]
    )
    sums = by_month.iloc[-1]
    return Month(
        month=month,
        runs=int(sums["runs"]),
        distance=sums["distance"],
        moving=sums["moving"],
        ascent=sums["ascent"],
        longest=sums["longest"],
        mean4_weeks=by_week["mean4"].iloc[-1],
        change_to_last_month=_change(by_month, 1),
        change_to_last_year=_change(by_month, 12),
        weeks_in_a_row=trends.weeks_in_a_row(by_week),
        eddington=trends.eddington(runs),
        efficiency=float(medians.loc[first]) if first in medians.index else None,
        efficiency_trend=trends.trend(medians),
        intensity=trends.intensity(this),
        predictions=tuple(predict(efforts)),
    )


def _change(by_month: "pd.DataFrame", months_ago: int) -> float | None:
    """The last month's distance to that of so many months ago, in per cent."""
    if len(by_month) <= months_ago:
        return None
    now, then = (float(by_month["distance"].iloc[at]) for at in (-1, -1 - months_ago))
    return (now / then - 1) * 100 if then else None
