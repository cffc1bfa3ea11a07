"""What a runner could race: three published formulas over the best of recent efforts.

Best efforts are cut from training and rarely all out, so a race may well be faster. A formula knows
nothing of training for the distance, the course, or the weather. Metres and seconds.

A run that is a race's distance to one per cent counts as it, with its time; for other races it
speaks with the distance that was measured. And what was run can be run: no prediction is slower
than the fastest of these days over the same distance.
"""

import math
from collections.abc import Iterable
from datetime import date

from keepsake.running.history import Effort
from keepsake.running.trends import Facts

RECENT_DAYS = 90
RACES = {"5 km": 5_000.0, "10 km": 10_000.0, "Half marathon": 21_097.5, "Marathon": 42_195.0}
# Riegel fitted races of 3.5 to 230 minutes. Effort and race differ by a factor of at most 4.25:
# 10 km speak for a marathon and 5 km for a half, 5 km not for a marathon, 400 m for none.
SHORTEST, LONGEST = 3.5 * 60, 230 * 60
FURTHEST = 4.25

SOURCES = {
    "Riegel": "Riegel, “Athletic records and human endurance”, American Scientist 1981; 69:285",
    "Cameron": "Cameron, “Time-equivalence model”, 1998",
    "Daniels-Gilbert": "Daniels and Gilbert, “Oxygen Power”, 1979 (VDOT)",
}
MARATHON_CAUTION = (
    "Recreational runners are often slower over a marathon than Riegel says, half of them by ten "
    "minutes and more (Vickers and Vertosick, BMC Sports Sci Med Rehabil 2016; 8:26)."
)


class Prediction(Facts):
    """A race, the seconds each formula gives, and the effort that they rest on.

    `from_measured` is the distance of the effort where it is a little short of `from_metres`.
    `ran` is the fastest time over the race's own distance, where a formula gives a slower one:
    `fastest` and `slowest` are not slower than it.
    """

    race: str
    metres: float
    seconds: dict[str, float]  # by formula
    fastest: float
    slowest: float
    ran: float | None = None
    ran_day: date | None = None
    from_measured: float | None = None
    from_metres: float
    from_seconds: float
    from_day: date
    from_record: int


def riegel(metres: float, seconds: float, race: float) -> float:
    """T2 = T1 (D2 / D1)^1.06 (Riegel 1981)."""
    return float(seconds * (race / metres) ** 1.06)


def cameron(metres: float, seconds: float, race: float) -> float:
    """T2 = T1 (D2 / D1) f(D1) / f(D2), f(x) = 13.49681 - 0.000030363 x + 835.7114 / x^0.7905."""

    def f(x: float) -> float:
        return float(13.49681 - 0.000030363 * x + 835.7114 / x**0.7905)

    return seconds * race / metres * f(metres) / f(race)


def vdot(metres: float, seconds: float) -> float:
    """The oxygen uptake a performance is worth, in ml/kg/min (Daniels and Gilbert 1979).

    With v in metres a minute and t in minutes: the cost of running at v, -4.60 + 0.182258 v +
    0.000104 v^2, over the share of the highest uptake that can be held for t, 0.8 + 0.1894393
    e^(-0.012778 t) + 0.2989558 e^(-0.1932605 t).
    """
    minutes = seconds / 60
    speed = metres / minutes
    cost = -4.60 + 0.182258 * speed + 0.000104 * speed**2
    share = (
        0.8 + 0.1894393 * math.exp(-0.012778 * minutes) + 0.2989558 * math.exp(-0.1932605 * minutes)
    )
    return cost / share


def daniels(metres: float, seconds: float, race: float) -> float:
    """The time over `race` that is worth the same `vdot`, to a tenth of a second."""
    worth = vdot(metres, seconds)
    fast, slow = race / 12, race / 0.5  # metres a second: no one is faster, no runner slower
    while slow - fast > 0.1:
        middle = (fast + slow) / 2
        if vdot(race, middle) > worth:
            fast = middle
        else:
            slow = middle
    return (fast + slow) / 2


def predict(efforts: Iterable[Effort]) -> list[Prediction]:
    """Times over the usual races, from the effort worth the most among those that may speak for it.

    A race without such an effort is left out.
    """
    efforts = list(efforts)
    usable = [e for e in efforts if SHORTEST <= e.seconds <= LONGEST]
    found = []
    for race, metres in RACES.items():
        near = [e for e in usable if 1 / FURTHEST <= metres / e.metres <= FURTHEST]
        if near:
            best = max(near, key=lambda e: vdot(_counts_as(e, metres), e.seconds))
            own = [e for e in efforts if e.metres == metres]
            ran = min(own, key=lambda e: e.seconds, default=None)
            found.append(_predict(race, metres, best, ran))
    return found


def _counts_as(effort: Effort, race: float) -> float:
    """The metres that an effort speaks for a race with."""
    return effort.metres if effort.metres == race else effort.measured


def _predict(race: str, metres: float, effort: Effort, ran: Effort | None) -> Prediction:
    formulas = {"Riegel": riegel, "Cameron": cameron, "Daniels-Gilbert": daniels}
    if effort.metres == metres:
        seconds = dict.fromkeys(formulas, float(round(effort.seconds)))
    else:
        seconds = {
            name: float(round(formula(effort.measured, effort.seconds, metres)))
            for name, formula in formulas.items()
        }
    fastest, slowest = min(seconds.values()), max(seconds.values())
    if ran is not None and round(ran.seconds) < slowest:
        slowest = float(round(ran.seconds))
        fastest = min(fastest, slowest)
    else:
        ran = None
    return Prediction(
        race=race,
        metres=metres,
        seconds=seconds,
        fastest=fastest,
        slowest=slowest,
        ran=ran.seconds if ran else None,
        ran_day=ran.day if ran else None,
        from_measured=effort.measured if effort.measured < effort.metres else None,
        from_metres=effort.metres,
        from_seconds=effort.seconds,
        from_day=effort.day,
        from_record=effort.record_id,
    )
