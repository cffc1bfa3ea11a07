"""Where running is going: volume, effort, consistency, and a run among its like.

Pure functions over the table of `history.read_runs`; nothing here reads or writes. Every function
names its formula, and where it comes from. Metres, seconds, beats a minute.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from keepsake.running.history import ZONES
from keepsake.running.wording import assumed_maximum

if TYPE_CHECKING:
    import pandas as pd

Unit = Literal["week", "month"]
Number = Annotated[float, AfterValidator(lambda number: round(number, 3))]

STEADY_SECONDS = 20 * 60  # shorter runs say little about pace at heart rate: the pulse lags
EASY_ZONES = ZONES[:3]  # below 80 per cent of the highest heart rate
LIKE_DISTANCE = 0.10  # how far, as a share, the distances of like runs differ
LIKE_ASCENT = 10.0  # metres of ascent a kilometre
FEWEST_LIKE = 3


class Facts(BaseModel):
    """What is computed and stored as `facts`: plain numbers and words."""

    model_config = ConfigDict(frozen=True)


class Assumed(Facts):
    """The highest heart rates that zones rest on where none was stated.

    They differ where a later activity showed a higher one. `activities` is the fewest that one of
    them was the most of.
    """

    lowest: int
    highest: int
    activities: int


class Effortful(Facts):
    """Seconds by heart rate. `hard` is the share of time outside the easy zones, 0 to 1."""

    zones: tuple[Number, ...]
    hard: Number | None
    assumed: Assumed | None = None  # None: all rest on what the runner stated


class Comparison(Facts):
    """A run among like runs. Ranks count from 1, the fastest; differences are to their median."""

    like: int  # how many there are beside the run
    pace_rank: int
    pace_median: Number  # seconds a kilometre
    pace_difference: Number  # seconds a kilometre; below 0: faster than the median
    efficiency_rank: int | None  # among those with heart rate, the run included
    efficiency_difference: Number | None  # per cent; above 0: further on each heartbeat


class Trend(Facts):
    """A straight line through medians: where it is and how steep."""

    median: Number
    monthly_change: Number | None  # per cent of the median a month


def volume(runs: "pd.DataFrame", unit: Unit, last: "pd.Timestamp") -> "pd.DataFrame":
    """How much was run in each week or month up to the one that begins with `last`.

    Columns: `runs` (count), `distance`, `moving`, `ascent`, `longest`, all 0 without runs;
    `mean4`, the rolling mean distance of four periods with this one; `before4`, that of the four
    periods before, NaN until there are four.
    """
    import pandas as pd

    runs = runs[runs[unit] <= last]
    sums = runs.groupby(unit).agg(
        runs=("distance", "size"),
        distance=("distance", "sum"),
        moving=("moving", "sum"),
        ascent=("ascent", "sum"),
        longest=("distance", "max"),
    )
    first = last if sums.empty else sums.index[0]
    periods = pd.date_range(first, last, freq="W-MON" if unit == "week" else "MS")
    table = sums.reindex(periods, fill_value=0)
    table["mean4"] = table["distance"].rolling(4, min_periods=1).mean()
    table["before4"] = table["distance"].rolling(4).mean().shift()
    return table


def load_ratio(volume_by_week: "pd.DataFrame") -> float | None:
    """Distance of the last week over the mean of the four weeks before it.

    This is the acute:chronic workload ratio in its uncoupled form (Gabbett, Br J Sports Med 2016;
    50:273; uncoupled: Windt and Gabbett, 2019; 53:988). Its worth is disputed (Impellizzeri et
    al., Int J Sports Physiol Perform 2020; 15:907), and among 5,205 runners a high one did not go
    with more injuries (Frandsen et al., Br J Sports Med 2025; 59:1203): a number to think about,
    no limit. None until there are four earlier weeks, or if there was no run in them.
    """
    week = volume_by_week.iloc[-1]
    return float(week["distance"] / week["before4"]) if week["before4"] > 0 else None


def efficiency(runs: "pd.DataFrame") -> "pd.Series[float]":
    """Metres per heartbeat: speed in metres a minute over heart rate, by row of `runs`.

    Friel's efficiency factor (The Triathlete's Training Bible; TrainingPeaks counts in yards and
    by graded pace, this is in metres and by plain pace, so compare flat with flat). NaN without
    heart rate, and for runs of less than 20 minutes.
    """
    speed = runs["distance"] / runs["moving"] * 60
    steady = (runs["moving"] >= STEADY_SECONDS) & (runs["heart_rate"] > 0) & (runs["distance"] > 0)
    return (speed / runs["heart_rate"]).where(steady)


def monthly_efficiency(runs: "pd.DataFrame") -> "pd.Series[float]":
    """The median of `efficiency` in each month that has one."""
    return efficiency(runs).groupby(runs["month"]).median().dropna()


def trend(by_month: "pd.Series[float]") -> Trend | None:
    """Middle and slope of monthly medians: the median of all slopes between two months.

    That is the Theil-Sen estimator (Sen, J Am Stat Assoc 1968; 63:1379), which one odd month does
    not turn. The slope needs three months, and is None with fewer.
    """
    import numpy as np

    if by_month.empty:
        return None
    median = float(by_month.median())
    if len(by_month) < 3:
        return Trend(median=median, monthly_change=None)
    months = np.array([12 * day.year + day.month for day in by_month.index])
    values = by_month.to_numpy()
    later, earlier = np.tril_indices(len(values), -1)
    slopes = (values[later] - values[earlier]) / (months[later] - months[earlier])
    return Trend(median=median, monthly_change=float(np.median(slopes)) / median * 100)


def intensity(runs: "pd.DataFrame") -> Effortful:
    """Seconds in each heart-rate zone, and the share of them that was not easy.

    Easy is what lies below the first lactate threshold, near 80 per cent of the highest heart
    rate: here zones 1 to 3. Good endurance athletes spend about 80 per cent of their time there
    (Seiler, Int J Sports Physiol Perform 2010; 5:276). `hard` is None without heart rate, and
    where nothing is known that the zones are parts of.
    """
    seconds = runs[list(ZONES)].sum()
    whole = float(seconds.sum())
    easy = float(seconds[list(EASY_ZONES)].sum())
    return Effortful(
        zones=tuple(float(s) for s in seconds) if whole else (),
        hard=1 - easy / whole if whole else None,
        assumed=_assumed(runs) if whole else None,
    )


def rests_on(assumed: Assumed) -> str:
    """What zones rest on where the runner stated no highest heart rate."""
    if assumed.lowest == assumed.highest:
        return assumed_maximum(assumed.highest, assumed.activities)
    return (
        f"with {assumed.lowest} to {assumed.highest} bpm as your highest heart rate, the most that "
        f"{assumed.activities} or more activities had shown"
    )


def _assumed(runs: "pd.DataFrame") -> Assumed | None:
    seen = runs.dropna(subset=["zone_activities"])
    if seen.empty:
        return None
    return Assumed(
        lowest=int(seen["zone_maximum"].min()),
        highest=int(seen["zone_maximum"].max()),
        activities=int(seen["zone_activities"].min()),
    )


def weeks_in_a_row(volume_by_week: "pd.DataFrame") -> int:
    """How many weeks up to the last one had a run, without a gap."""
    ran = (volume_by_week["runs"] > 0).to_numpy()[::-1]
    return int(ran.argmin()) if not ran.all() else len(ran)


def eddington(runs: "pd.DataFrame") -> int:
    """The Eddington number: the largest E such that E km or more were run on E days.

    Eddington counted his cycling so (Jeffers and Swanson, “How high is your E?”, Physics World,
    2005).
    """
    days = runs.groupby("day")["distance"].sum().sort_values(ascending=False).to_numpy() / 1000
    return sum(bool(km >= rank) for rank, km in enumerate(days, start=1))


def compare(runs: "pd.DataFrame", at: int) -> Comparison | None:
    """The run in row `at` among its like; None if there are fewer than three, or it has no pace.

    Like are runs whose distance differs by at most 10 per cent, and whose ascent
    a kilometre by at most 10 metres, or is unknown as well.
    """
    run = runs.iloc[at]
    if not (run["distance"] > 0 and run["moving"] > 0):
        return None
    steepness = runs["ascent"] / runs["distance"] * 1000
    alike = (steepness - steepness.iloc[at]).abs() <= LIKE_ASCENT
    if run.isna()["ascent"]:
        alike = runs["ascent"].isna()
    near = (runs["distance"] / run["distance"] - 1).abs() <= LIKE_DISTANCE
    like = runs[near & alike & (runs["moving"] > 0)]
    others = like[like["record_id"] != run["record_id"]]
    if len(others) < FEWEST_LIKE:
        return None
    paces = others["moving"] / others["distance"] * 1000
    pace, median = float(run["moving"] / run["distance"] * 1000), float(paces.median())
    mine = float(efficiency(runs.iloc[[at]]).iloc[0])
    theirs = efficiency(others).dropna()
    known = mine == mine and len(theirs) >= FEWEST_LIKE
    return Comparison(
        like=len(others),
        pace_rank=1 + int((paces < pace).sum()),
        pace_median=median,
        pace_difference=pace - median,
        efficiency_rank=1 + int((theirs > mine).sum()) if known else None,
        efficiency_difference=(mine / float(theirs.median()) - 1) * 100 if known else None,
    )
