"""The facts of an activity: their shape.

Distances in metres, durations in seconds. How each is computed: `compute.py`, `formulas.py`,
`best_efforts.py`.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from pydantic.dataclasses import dataclass

# The distances of best efforts in metres, as the facts have them, and what people call them.
EFFORTS = {
    "400": "400 m",
    "1000": "1 km",
    "1609.344": "1 mile",
    "5000": "5 km",
    "10000": "10 km",
    "21097.5": "half marathon",
    "42195": "marathon",
}


@dataclass(frozen=True)
class Issue:
    """What was wrong in a file and was repaired or left out, or is missing, and how often."""

    kind: str
    count: int


@dataclass(frozen=True)
class Seen:
    """What a runner's other activities show: the highest heart rate, and how many have one."""

    heart_rate: int
    activities: int


@dataclass(frozen=True)
class Split:
    """One kilometre of an activity, or the rest after the last.

    Attributes:
        kilometre: its number, from 1.
        distance: metres; 1,000 but for the last.
        seconds: of moving.
        ascent: metres climbed, None without elevation.
        heart_rate: mean beats a minute, None without.
    """

    kilometre: int
    distance: float
    seconds: float
    ascent: float | None = None
    heart_rate: float | None = None

    @property
    def pace(self) -> float:
        """Seconds a kilometre."""
        return self.seconds / self.distance * 1000


@dataclass(frozen=True)
class Facts:
    """What is known of an activity: the columns of `activities`. A row of them makes one again.

    Attributes:
        sport: `running`, `walking`, `hiking`, `cycling`, another word, or `unknown`.
        started_at: in UTC.
        distance: metres.
        elapsed: seconds from the first point to the last.
        moving: seconds of movement.
        ascent: metres climbed, None without elevation; likewise `descent`.
        heart_rate: mean beats a minute while moving, None without heart rate.
        max_heart_rate: the highest.
        cadence: steps a minute on foot, turns a minute on wheels.
        drift: per cent by which speed at a heart rate fell from the first half to the second.
        splits: one a kilometre; their metres and seconds add up to `distance` and `moving`.
        zones: seconds in each of five heart-rate zones; empty without heart rate, and where no
            highest heart rate is stated or may be assumed.
        zone_maximum: the highest heart rate that the zones are parts of.
        zone_activities: where that is assumed, the number of activities that showed no higher one;
            None where the runner stated it.
        best_efforts: fastest seconds by metres (`EFFORTS`), of the distances that were covered to
            one per cent.
        issues: what was wrong in the file.
    """

    sport: str
    started_at: datetime
    distance: float
    elapsed: float
    moving: float
    ascent: float | None = None
    descent: float | None = None
    heart_rate: float | None = None
    max_heart_rate: int | None = None
    cadence: float | None = None
    drift: float | None = None
    splits: tuple[Split, ...] = ()
    zones: tuple[float, ...] = ()
    zone_maximum: int | None = None
    zone_activities: int | None = None
    best_efforts: Mapping[str, float] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()

    @property
    def pace(self) -> float | None:
        """Moving seconds a kilometre; None where there was no distance or movement to speak of."""
        if self.distance < 10 or self.moving <= 0:
            return None
        return self.moving / self.distance * 1000
