"""What a week suggests for the next: rules over computed facts, each with its numbers and source.

No model has a say here. A rule says nothing until there is enough history for it.
"""

from typing import TYPE_CHECKING

from keepsake.running.trends import Facts, intensity, load_ratio, rests_on

if TYPE_CHECKING:
    import pandas as pd

SPIKE = 1.10  # of the longest run of the 30 days before
JUMP = 1.30  # of the mean of the four weeks before
HARD_SHARE = 0.25
HARD_SECONDS = 2 * 3600  # with heart rate, before a share means something
LONG_SHARE = 0.25  # of a week's mean distance
LONG_RUN_SECONDS, DRIFT = 60 * 60, 5.0  # seconds; per cent


class Suggestion(Facts):
    """One suggestion: which rule gave it, what it says with its numbers, and its source."""

    rule: str
    text: str
    source: str


def suggest(
    runs: "pd.DataFrame", by_week: "pd.DataFrame", week: "pd.Timestamp", *, over: bool = True
) -> list[Suggestion]:
    """What the week that begins with `week` suggests. `runs` and `by_week` end with it.

    Of a week that is not `over` nothing is said that its last days may change.
    """
    this = runs[runs["week"] == week]
    found = (
        _spike(runs, this),
        _jump(by_week),
        _hard(runs, week),
        _long_run(runs, by_week, week) if over else None,
        _drift(this),
    )
    return [suggestion for suggestion in found if suggestion]


def _spike(runs: "pd.DataFrame", this: "pd.DataFrame") -> Suggestion | None:
    longest = this.iloc[int(this["distance"].argmax())]
    ago = (longest["day"] - runs["day"]).dt.days
    before = runs["distance"][(runs["started"] < longest["started"]) & (ago <= 30)]
    if before.empty or longest["distance"] <= SPIKE * before.max():
        return None
    more = (longest["distance"] / before.max() - 1) * 100
    known = "only run" if len(before) == 1 else f"longest of the {len(before)} runs"
    return Suggestion(
        rule="one long leap",
        text=f"Your run of {_km(longest['distance'])} was {more:.0f} % longer than the {known} "
        f"that are known of the 30 days before ({_km(before.max())}). Stay at or below "
        f"{_km(longest['distance'])} for a week or two before you go further.",
        source="More than 10 % went with more injuries among 5,205 runners: Frandsen et al., "
        "Br J Sports Med 2025; 59:1203.",
    )


def _jump(by_week: "pd.DataFrame") -> Suggestion | None:
    ratio = load_ratio(by_week)
    if ratio is None or ratio <= JUMP:
        return None
    week, before = by_week.iloc[-1]["distance"], by_week.iloc[-1]["before4"]
    return Suggestion(
        rule="volume jump",
        text=f"{_km(week)} this week is {ratio:.2f} times the mean of the four weeks before "
        f"({_km(before)}). Make the next week an easier one, near {_km(before)}.",
        source="Novices who added more than 30 % were hurt more often: Nielsen et al., J Orthop "
        "Sports Phys Ther 2014; 44:739. Whether such ratios foretell injuries is disputed "
        "(Impellizzeri et al., Int J Sports Physiol Perform 2020; 15:907).",
    )


def _hard(runs: "pd.DataFrame", week: "pd.Timestamp") -> Suggestion | None:
    recent = intensity(runs[(week - runs["week"]).dt.days < 28])
    if recent.hard is None or recent.hard <= HARD_SHARE or sum(recent.zones) < HARD_SECONDS:
        return None
    assumed = f" ({rests_on(recent.assumed)})" if recent.assumed else ""
    return Suggestion(
        rule="too little easy running",
        text=f"{recent.hard * 100:.0f} % of the time of your last four weeks was in heart-rate "
        f"zones 4 and 5{assumed}. Run more of it easily, in zones 1 to 3: about 80 % is what good "
        "endurance athletes do.",
        source="Seiler, Int J Sports Physiol Perform 2010; 5:276.",
    )


def _long_run(
    runs: "pd.DataFrame", by_week: "pd.DataFrame", week: "pd.Timestamp"
) -> Suggestion | None:
    mean = by_week.iloc[-1]["before4"]
    longest = runs["distance"][(week - runs["week"]).dt.days < 14].max()
    if not mean > 0 or longest >= LONG_SHARE * mean:
        return None
    return Suggestion(
        rule="no long run",
        text=f"Your longest run of two weeks was {_km(longest)}, {longest / mean * 100:.0f} % of "
        f"your usual week ({_km(mean)}). Make one run a week longer, little by little, up to "
        f"{_km(LONG_SHARE * mean)}.",
        source="A long run is 25 to 30 % of the week: Daniels, “Daniels' Running Formula”, 2013.",
    )


def _drift(this: "pd.DataFrame") -> Suggestion | None:
    long = this[(this["moving"] >= LONG_RUN_SECONDS) & (this["drift"] > DRIFT)]
    if long.empty:
        return None
    run = long.iloc[int(long["drift"].argmax())]
    return Suggestion(
        rule="drifting heart rate",
        text=f"On your run of {_km(run['distance'])} pace fell {run['drift']:.1f} % against heart "
        "rate from the first half to the second. Heat and hills do that too; if it was neither, "
        "start long runs slower.",
        source="Up to 5 % counts as well trained for the distance: Friel, “The Triathlete's "
        "Training Bible”, 2016.",
    )


def _km(metres: float) -> str:
    return f"{metres / 1000:.1f} km"
