"""The points of an activity as its file has them: columns of numbers.

Every reader of a format fills these. No numpy here: checking a file as it is added needs none.
"""

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf, nan
from typing import Literal

from keepsake.errors import PermanentError

Format = Literal["fit", "gpx", "tcx"]

COLUMNS = (
    "time", "latitude", "longitude", "distance", "elevation", "heart_rate", "cadence", "section",
)  # fmt: skip


class NoActivity(PermanentError):
    """The file says what it holds, and that is no activity: settings, a course."""


@dataclass(frozen=True)
class Totals:
    """What a file says of the whole activity: metres, seconds, beats a minute; None where nothing.

    `pool_length` is the length of the pool in metres.
    """

    distance: float | None = None
    elapsed: float | None = None
    moving: float | None = None
    heart_rate: float | None = None
    max_heart_rate: float | None = None
    pool_length: float | None = None

    def with_more(self, more: "Totals") -> "Totals":
        """These with those of another stretch of the same activity."""
        return Totals(
            distance=_sum(self.distance, more.distance),
            elapsed=_sum(self.elapsed, more.elapsed),
            moving=_sum(self.moving, more.moving),
            max_heart_rate=max(self.max_heart_rate or 0.0, more.max_heart_rate or 0.0) or None,
            pool_length=self.pool_length or more.pool_length,
        )


@dataclass(frozen=True)
class Session:
    """A stretch of one sport in a file: when it began, in seconds since 1970, and its totals."""

    start: float | None
    sport: str | None
    totals: Totals


@dataclass(frozen=True)
class Length:
    """A length of a pool, or the rest between two: seconds since 1970, and how long it took."""

    start: float
    seconds: float
    swum: bool


class Points:
    """The points of a file as they come: columns of numbers, NaN where a point lacks one.

    Attributes:
        format: of the file.
        sport: in our words, once the file said it.
        started_at: what the file says beside its points, in seconds since 1970.
        totals: what it says of the whole.
        issues: what was repaired or left out as it was read, by kind.
        sessions: its stretches, where it has some.
        lengths: of a pool.
        beats: moments in seconds since 1970 and heart rates, as a strap stored them by itself.
        strap_clock: what the strap's clock showed at a moment, in ticks and seconds since 1970.
        strap_tick: and what it showed last.
    """

    def __init__(self, format: Format) -> None:
        self.format: Format = format
        self.sport: str | None = None
        self.started_at: float | None = None
        self.totals: Totals | None = None
        self.issues: Counter[str] = Counter()
        self.sessions: list[Session] = []
        self.lengths: list[Length] = []
        self.beats: list[tuple[float, float]] = []
        self.strap_clock: tuple[int, float] | None = None
        self.strap_tick = 0
        self._columns = {name: array("d") for name in COLUMNS}
        self._section = 0
        self._first_time: float | None = None

    def __len__(self) -> int:
        return len(self._columns["time"])

    @property
    def first_time(self) -> float | None:
        """The time of the first point that has one, in seconds since 1970."""
        return self._first_time

    def add(self, point: Mapping[str, float]) -> None:
        """Add a point: values by the names of `COLUMNS`."""
        for name, column in self._columns.items():
            column.append(point.get(name, nan))
        self._columns["section"][-1] = self._section
        if self._first_time is None:
            time = point.get("time", nan)
            self._first_time = time if time == time else None

    def pause(self) -> None:
        """The next point comes after a pause that the watch marked."""
        self._section += 1

    def between(
        self, start: float | None, end: float | None, *, sport: str | None, totals: Totals
    ) -> "Points":
        """The activity from one moment to another, seconds since 1970; None: to the very end."""
        low, high = start if start is not None else -inf, end if end is not None else inf
        part = Points(self.format)
        part.sport, part.started_at, part.totals = sport, start, totals
        part.issues = self.issues.copy()
        within = False  # a point without a time goes with the one before it
        for at, time in enumerate(self._columns["time"]):
            within = low <= time < high if time == time else within
            if within:
                part._section = int(self._columns["section"][at])
                part.add({name: column[at] for name, column in self._columns.items()})
        part.lengths = [each for each in self.lengths if low <= each.start < high]
        part.beats = [each for each in self.beats if low <= each[0] < high]
        return part

    def column(self, name: str) -> "array[float]":
        """The values of one column, point by point."""
        return self._columns[name]


def _sum(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else one + other


def start_of(points: Points) -> datetime:
    """When the activity began, in UTC: its first point with a time, or else what the file says.

    Raises:
        PermanentError: it has no track points, or no times, or one that no calendar has.
    """
    name = points.format.upper()
    began = points.first_time if points.first_time is not None else points.started_at
    if began is None:
        lacks = "times" if len(points) else "track points"
        raise PermanentError(f"the {name} file has no {lacks}: no telling when it was run")
    try:
        return datetime.fromtimestamp(began, UTC)
    except (OverflowError, ValueError, OSError):
        raise PermanentError(f"the {name} file begins at a time that no calendar has") from None
