"""The points of an activity as its file has them: columns of numbers.

Every reader of a format fills these. No numpy here: looking at a file as it comes in needs none.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import nan
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
    """What a file says of the whole activity: metres and seconds, None where it does not say."""

    distance: float | None = None
    elapsed: float | None = None
    moving: float | None = None


class Points:
    """The points of a file as they come: columns of numbers, NaN where a point lacks one.

    Attributes:
        format: of the file.
        sport: in our words, once the file said it.
        started_at: what the file says beside its points, in seconds since 1970.
        totals: what it says of the whole.
    """

    def __init__(self, format: Format) -> None:
        self.format: Format = format
        self.sport: str | None = None
        self.started_at: float | None = None
        self.totals: Totals | None = None
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
            self._first_time = point.get("time")

    def pause(self) -> None:
        """The next point comes after a pause that the watch marked."""
        self._section += 1

    def column(self, name: str) -> "array[float]":
        """The values of one column, point by point."""
        return self._columns[name]


def start_of(points: Points) -> datetime:
    """When the activity began, in UTC: its first point with a time, or else what the file says.

    Raises:
        PermanentError: it has no track points, or no times, or one that no calendar has.
    """
    name = points.format.upper()
    began = points.first_time if len(points) else points.started_at
    if began is None:
        lacks = "times" if len(points) else "track points"
        raise PermanentError(f"the {name} file has no {lacks}: no telling when it was run")
    try:
        return datetime.fromtimestamp(began, UTC)
    except (OverflowError, ValueError, OSError):
        raise PermanentError(f"the {name} file begins at a time that no calendar has") from None
