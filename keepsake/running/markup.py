"""The points of a GPX or TCX file, parsed as it streams by: no tree, whatever its size.

DOCTYPE and entities are refused (defusedxml): neither format has a use for them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import cast

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from keepsake.errors import PermanentError
from keepsake.running.points import Format, NoActivity, Points, Totals
from keepsake.running.sports import sport_name

CHUNK = 65_536  # bytes given to the parser at once
FIRST_CHUNK = 4_096  # and at first: most files have their first point in it
CUT = (3, 5)  # expat's codes for a file that ends outside of every element, or within a tag

ROOTS: Mapping[str, Format] = {"gpx": "gpx", "TrainingCenterDatabase": "tcx"}
POINTS = frozenset({"trkpt", "Trackpoint"})
SECTIONS = frozenset({"trkseg", "Track"})
# Names within a point, without their namespace: Garmin's TrackPointExtension has had several, and
# Cluetrust's GPXDATA says the same by other names.
FIELDS = {
    "time": "time", "Time": "time",
    "LatitudeDegrees": "latitude", "LongitudeDegrees": "longitude",
    "ele": "elevation", "AltitudeMeters": "elevation",
    "DistanceMeters": "distance",
    "hr": "heart_rate", "Value": "heart_rate",
    "cad": "cadence", "cadence": "cadence", "Cadence": "cadence", "RunCadence": "cadence",
}  # fmt: skip


def is_markup(data: bytes) -> bool:
    """Whether `data` begins as XML does."""
    return data[:64].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")


def read(data: bytes, *, only_start: bool = False) -> Points:
    """The points of a GPX or TCX file; with `only_start` no more than to the first time.

    Raises:
        PermanentError: it is neither, is no proper XML, or declares a document type or entities.
    """
    target = _Target()
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    # Strava's TCX files begin with blanks, which XML does not allow before its declaration.
    at = len(data) - len(data.lstrip(b" \t\r\n"))
    size = FIRST_CHUNK
    try:
        while at < len(data):
            parser.feed(data[at : at + size])
            at, size = at + size, CHUNK
            if only_start and target.points and target.points.first_time is not None:
                return target.points
        parser.close()
    except DefusedXmlException:
        raise PermanentError("the file declares a document type or entities: refused") from None
    except ParseError as error:
        wrong = "breaks off" if error.code in CUT else "is no proper XML"
        line = error.position[0]
        raise PermanentError(f"the {target.name} file {wrong} in line {line:,}") from None
    except (ValueError, LookupError):  # of an encoding that there is not
        raise PermanentError(f"the {target.name} file is in an unknown encoding") from None
    return cast(Points, target.points)  # the root's start tag made them


class _Target:
    """What the parser calls at each tag and text."""

    def __init__(self) -> None:
        self.points: Points | None = None
        self._text: list[str] = []
        self._open_tags: list[str] = []
        self._point: dict[str, float] | None = None
        self._lap: dict[str, float] = {}

    @property
    def name(self) -> str:
        """The format's name, for messages."""
        return self.points.format.upper() if self.points else "GPX or TCX"

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """A start tag: `{namespace}name`."""
        name = tag.rpartition("}")[2]
        self._text.clear()
        self._open_tags.append(name)
        if self.points is None:
            self.points = self._open(name)
        elif name in POINTS:
            self._point = {}
            if "lat" in attributes and "lon" in attributes:
                self._note("latitude", _number(attributes["lat"]))
                self._note("longitude", _number(attributes["lon"]))
        elif name in SECTIONS:
            self.points.pause()
        elif name == "Activity":
            self.points.sport = self.points.sport or sport_name(attributes.get("Sport", ""))
        elif name == "Course":
            raise NoActivity("the TCX file is no activity: it holds a course")
        elif name == "Lap":
            self.points.started_at = self.points.started_at or _time(attributes.get("StartTime"))

    def data(self, text: str) -> None:
        """A piece of text."""
        self._text.append(text)

    def end(self, tag: str) -> None:
        """An end tag."""
        name = self._open_tags.pop()
        if self.points is None:
            return
        if self._point is None:
            self._end_outside(self.points, name)
        elif name in POINTS:
            self.points.add(self._point)
            self._point = None
        elif name in FIELDS:
            text = "".join(self._text)
            column = FIELDS[name]
            self._note(column, _time(text) if column == "time" else _number(text))
        self._text.clear()

    def close(self) -> None:
        """The end of the file."""

    def _open(self, root: str) -> Points:
        if root not in ROOTS:
            raise PermanentError("the file is XML, but neither GPX nor TCX")
        return Points(ROOTS[root])

    def _note(self, name: str, value: float | None) -> None:
        if self._point is not None and value is not None:
            self._point[name] = value

    def _end_outside(self, points: Points, name: str) -> None:
        """What stands beside the points: the sport of a GPX track, the totals of TCX laps.

        Links, waypoints and workouts have a type and totals of their own.
        """
        text = "".join(self._text)
        within = self._open_tags[-1] if self._open_tags else ""
        if name == "type" and within == "trk":
            points.sport = points.sport or sport_name(text)
        elif name in ("TotalTimeSeconds", "DistanceMeters") and within == "Lap":
            self._lap[name] = self._lap.get(name, 0.0) + (_number(text) or 0.0)
            seconds = self._lap.get("TotalTimeSeconds")
            points.totals = Totals(self._lap.get("DistanceMeters"), seconds, seconds)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _time(text: str | None) -> float | None:
    """A time in seconds since 1970; one without a zone is UTC, as both formats demand."""
    try:
        moment = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
