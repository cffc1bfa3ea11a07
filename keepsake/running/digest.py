"""What an owner's week of running came to: its facts.

A week is described as it was when it ended; later runs do not change what earlier ones are compared
with. How the facts look on a page is not here (`page.py`), nor when they are made
(`weekly.py`).
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.owners.owners import Owner
from keepsake.running import trends
from keepsake.running.history import Effort, monday
from keepsake.running.predictions import Prediction, predict
from keepsake.running.suggestions import Suggestion, suggest
from keepsake.running.trends import Comparison, Effortful, Facts, Number, Trend

if TYPE_CHECKING:
    import pandas as pd

EVERY_NIGHT = "04:30 UTC"  # when the schedule makes those that are missing or out of date
WEEKS_SHOWN = 16
EFFICIENCY_DAYS = 26 * 7
INTENSITY_DAYS = 4 * 7


class WeekSum(Facts):
    """A week in sums: metres and seconds. `mean4` is the mean distance of four weeks with it."""

    week: date
    runs: int
    distance: Number
    moving: Number
    ascent: Number
    longest: Number
    mean4: Number


class Run(Facts):
    """A run of the week: metres, seconds, beats a minute, pace in seconds a kilometre."""

    record_id: int
    title: str | None
    started: datetime  # as the owner's clock showed it
    distance: Number
    moving: Number
    pace: Number | None
    ascent: Number | None
    heart_rate: Number | None
    efficiency: Number | None  # metres per heartbeat
    comparison: Comparison | None


class Point(Facts):
    """A value on a day."""

    day: date
    value: Number


class Digest(Facts):
    """The facts of a week: what the row holds and the page shows."""

    owner: str
    time_zone: str
    week: date
    so_far: date | None = None  # the day it was made on, where the week was not over
    total: WeekSum
    before4: Number | None  # mean distance of the four weeks before
    load_ratio: Number | None
    weeks_in_a_row: int
    eddington: int
    weeks: tuple[WeekSum, ...]  # the last 16 or fewer, this one last
    runs: tuple[Run, ...]
    efficiency: tuple[Point, ...]  # of each run of half a year
    efficiency_by_month: tuple[Point, ...]
    efficiency_trend: Trend | None
    intensity: Effortful
    intensity4: Effortful  # of four weeks with this one
    predictions: tuple[Prediction, ...]
    suggestions: tuple[Suggestion, ...]

    @property
    def last_day(self) -> date:
        """Its Sunday."""
        return self.week + timedelta(days=6)


def make_digest(
    owner: Owner,
    runs: "pd.DataFrame",
    efforts: Sequence[Effort],
    week: date,
    *,
    so_far: date | None = None,
) -> Digest:
    """The facts of the week that begins with the Monday `week`.

    Args:
        owner: whose runs they are.
        runs: all of the owner's runs, at least one of them in the week.
        efforts: the best efforts of the days before the week's end.
        week: its Monday.
        so_far: today, where the week is not over: it is compared with no whole one.
    """
    import numpy as np
    import pandas as pd

    first = pd.Timestamp(week)
    runs = runs[runs["week"] <= first]
    by_week = trends.volume(runs, "week", first)
    ago = (first + pd.Timedelta(days=7) - runs["day"]).dt.days
    recent = runs[ago <= EFFICIENCY_DAYS]
    by_month = trends.monthly_efficiency(recent)
    per_run = trends.efficiency(recent).dropna()
    days = recent["day"][per_run.index]
    weeks = [_week_sum(day, row) for day, row in by_week.tail(WEEKS_SHOWN).iterrows()]
    return Digest(
        owner=owner.name,
        time_zone=owner.time_zone,
        week=week,
        so_far=so_far,
        total=weeks[-1],
        before4=_known(by_week.iloc[-1]["before4"]),
        load_ratio=None if so_far else trends.load_ratio(by_week),
        weeks_in_a_row=trends.weeks_in_a_row(by_week),
        eddington=trends.eddington(runs),
        weeks=tuple(weeks),
        runs=tuple(_run(runs, int(at)) for at in np.flatnonzero(runs["week"] == first)),
        efficiency=_points(days, per_run),
        efficiency_by_month=_points(by_month.index, by_month),
        efficiency_trend=trends.trend(by_month),
        intensity=trends.intensity(runs[runs["week"] == first]),
        intensity4=trends.intensity(runs[ago <= INTENSITY_DAYS]),
        predictions=tuple(predict(efforts)),
        suggestions=tuple(suggest(runs, by_week, first, over=so_far is None)),
    )


def find_digest(connection: Connection, owner: Owner, day: date | None) -> tuple[Digest, str]:
    """The digest of the week that `day` is in, or the newest, and the key of its page.

    Raises:
        InvalidInput: there is none. The message says when it comes, and how to make it now.
    """
    week = day and monday(day)
    row = connection.execute(
        "SELECT facts, page_key FROM weekly_digests"
        " WHERE owner_id = %(owner)s AND (%(week)s::date IS NULL OR week = %(week)s)"
        " ORDER BY week DESC LIMIT 1",
        {"owner": owner.id, "week": week},
    ).fetchone()
    if row is None:
        which = f"of the week of {week}" if week else "yet"
        named = f" --week {week}" if week else ""
        raise InvalidInput(
            f"{owner.slug} has no digest {which}: they are made at {EVERY_NIGHT} for weeks with "
            f"runs; `keepsake digest --make --owner {owner.slug}{named}` makes it now"
        )
    return Digest.model_validate(row[0]), row[1]


def _week_sum(day: Any, row: "pd.Series[Any]") -> WeekSum:
    return WeekSum(
        week=day.date(),
        runs=int(row["runs"]),
        distance=row["distance"],
        moving=row["moving"],
        ascent=row["ascent"],
        longest=row["longest"],
        mean4=row["mean4"],
    )


def _run(runs: "pd.DataFrame", at: int) -> Run:
    run = runs.iloc[at]
    return Run(
        record_id=int(run["record_id"]),
        title=run["title"] or None,
        started=run["started"].to_pydatetime(),
        distance=run["distance"],
        moving=run["moving"],
        pace=run["moving"] / run["distance"] * 1000 if run["distance"] > 0 else None,
        ascent=_known(run["ascent"]),
        heart_rate=_known(run["heart_rate"]),
        efficiency=_known(trends.efficiency(runs.iloc[[at]]).iloc[0]),
        comparison=trends.compare(runs, at),
    )


def _points(days: Any, values: "pd.Series[float]") -> tuple[Point, ...]:
    return tuple(
        Point(day=day.date(), value=value) for day, value in zip(days, values, strict=True)
    )


def _known(value: float) -> float | None:
    """The number, or None for NaN."""
    return None if value != value else float(value)
