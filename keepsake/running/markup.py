"""The points of a GPX or TCX file, parsed as it streams by: no tree, whatever its size.

DOCTYPE and entities are refused (defusedxml): neither format has a use for them.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite, nan
from typing import Literal

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from keepsake.errors import PermanentError
from keepsake.running.points import Format, NoActivity, Points, Totals
from keepsake.running.sports import sport_name
from keepsake.running.xml_repair import REFUSED, repaired, without_beginning

CHUNK = 65_536  # bytes given to the parser at once
FIRST_CHUNK = 4_096  # and at first: most files have their first point in it
CUT = (3, 5)  # expat's codes for a file that ends outside of every element, or within a tag

STOPPED = 3.0  # seconds between two laps from which on the watch was stopped
_TYPE = re.compile(rb"<type>([^<]{0,100})<")

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


def read(data: bytes, *, only_start: bool = False) -> list[Points]:
    """The points of each activity in a GPX or TCX file; with `only_start` up to the first time.

    Every activity of a TCX file is one. The tracks of a GPX file are one together, unless they say
    that they are of different sports. XML with faults that programs forgive is repaired
    (`xml_repair.py`). What still cannot be read ends the file, and what came before it is taken:
    `cut_off` where the file ends too early, `damaged` where it goes on.

    Raises:
        PermanentError: it is neither, nothing of an activity can be read, or it declares a document
            type or entities.
        NoActivity: it holds a course.
    """
    data = without_beginning(data)
    only_start = only_start and not _several(data)
    target, fault = _parsed(data, only_start=only_start)
    kinds: Counter[str] = Counter()
    if fault and fault.kind != "cut_off":
        better, kinds = repaired(data)
        if better != data:
            target, fault = _parsed(better, only_start=only_start)
    found = target.activities()
    if fault:
        found = [points for points in found if points.first_time is not None or points.totals]
        if not found:
            raise PermanentError(fault.message(target.name))
        found[-1].issues[fault.kind] = 1
    for points in found:
        points.issues.update(kinds)
        if len(found) > 1:
            points.issues["part_of_file"] = len(found)
    return found


def _several(data: bytes) -> bool:
    """Whether there may be more than one activity in a file; costs no parsing."""
    if b"<gpx" in data[:FIRST_CHUNK]:
        return len(set(_TYPE.findall(data))) > 1
    return data.count(b"<Activity ") > 1


@dataclass(frozen=True)
class _Fault:
    """Where and why a parser stopped."""

    kind: Literal["cut_off", "damaged"]
    line: int | None  # None: in an encoding that there is not

    def message(self, name: str) -> str:
        if self.line is None:
            return f"the {name} file is in an unknown encoding"
        wrong = "breaks off" if self.kind == "cut_off" else "is no proper XML"
        return f"the {name} file {wrong} in line {self.line:,}"


def _parsed(data: bytes, *, only_start: bool) -> "tuple[_Target, _Fault | None]":
    """What a strict parser makes of the bytes, and where it stopped.

    Raises:
        PermanentError: it is neither GPX nor TCX, or declares a document type or entities.
    """
    target = _Target()
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    at, size = 0, FIRST_CHUNK
    try:
        while at < len(data):
            parser.feed(data[at : at + size])
            at, size = at + size, CHUNK
            if only_start and target.points is not None and target.points.first_time is not None:
                return target, None
        parser.close()
    except DefusedXmlException:
        raise PermanentError(REFUSED) from None
    except ParseError as error:
        return target, _Fault("cut_off" if error.code in CUT else "damaged", error.position[0])
    except (ValueError, LookupError):
        return target, _Fault("damaged", None)
    return target, None


class _Target:
    """What the parser calls at each tag and text."""

    def __init__(self) -> None:
        self.points: Points | None = None
        self._text: list[str] = []
        self._open_tags: list[str] = []
        self._point: dict[str, float] | None = None
        self._finished: list[Points] = []
        self._track_sport: str | None = None
        self._lap = _Lap()

    @property
    def name(self) -> str:
        """The format's name, for messages."""
        return "GPX or TCX" if self.points is None else self.points.format.upper()

    def activities(self) -> list[Points]:
        """Every activity so far; one that has nothing only if it is the only one."""
        every = [*self._finished, *([self.points] if self.points is not None else [])]
        return [points for points in every if len(points) or points.totals] or every[:1]

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
                self._note("latitude", self._number(attributes["lat"]))
                self._note("longitude", self._number(attributes["lon"]))
        else:
            self._start_outside(self.points, name, attributes)

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
            self._note(column, _time(text) if column == "time" else self._number(text))
        self._text.clear()

    def close(self) -> None:
        """The end of the file."""

    def _open(self, root: str) -> Points:
        if root not in ROOTS:
            raise PermanentError("the file is XML, but neither GPX nor TCX")
        return Points(ROOTS[root])

    def _start_outside(self, points: Points, name: str, attributes: Mapping[str, str]) -> None:
        """Activities, laps and sections begin."""
        if name == "trk":
            self._track_sport = None
        elif name == "trkseg":
            self._begin_section(points)
        elif name == "Track":
            if self._lap.follows_at_once:
                self._lap.follows_at_once = False
            else:
                points.pause()
        elif name == "Activity":
            if len(points) or points.totals:
                points = self._next(points)
            points.sport = points.sport or sport_name(attributes.get("Sport", ""))
        elif name == "Course":
            raise NoActivity("the TCX file is no activity: it holds a course")
        elif name == "Lap":
            start = _time(attributes.get("StartTime"))
            points.started_at = points.started_at or start
            self._lap = self._lap.next(start)

    def _begin_section(self, points: Points) -> None:
        """A section of a GPX track: of another activity, if the track is of another sport."""
        sport = self._track_sport
        if sport and points.sport and sport != points.sport and len(points):
            points = self._next(points)
        points.sport = points.sport or sport
        points.pause()

    def _next(self, points: Points) -> Points:
        self._finished.append(points)
        self.points, self._lap = Points(points.format), _Lap()
        return self.points

    def _number(self, text: str) -> float | None:
        """A number, if need be with a decimal comma; one that is none is counted."""
        text = text.strip()
        if not text:
            return None
        kind = None
        try:
            number = float(text)
        except ValueError:
            try:
                number, kind = float(text.replace(",", ".", 1)), "decimal_comma"
            except ValueError:
                number, kind = nan, "unreadable_number"
        if kind and self.points is not None:
            self.points.issues[kind] += 1
        return number if isfinite(number) else None

    def _note(self, name: str, value: float | None) -> None:
        if self._point is not None and value is not None:
            self._point[name] = value

    def _end_outside(self, points: Points, name: str) -> None:
        """What is beside the points: the sport of a GPX track, the totals of TCX laps.

        Links, waypoints and workouts have a type and totals of their own.
        """
        text = "".join(self._text)
        within = self._open_tags[-1] if self._open_tags else ""
        if name == "type" and within == "trk":
            self._track_sport = sport_name(text)
            if not len(points):
                points.sport = points.sport or self._track_sport
        elif name in ("TotalTimeSeconds", "DistanceMeters") and within == "Lap":
            number = self._number(text) or 0.0
            if name == "TotalTimeSeconds":
                self._lap.seconds = number
                more = Totals(None, number, number)
            else:
                more = Totals(number)
            points.totals = points.totals.with_more(more) if points.totals else more


@dataclass
class _Lap:
    """A lap of a TCX file: when it began, how long the watch ran, in seconds.

    Each lap has a track of its own. One that begins when the lap before it ended is no pause.
    """

    start: float | None = None
    seconds: float | None = None
    follows_at_once: bool = False

    def next(self, start: float | None) -> "_Lap":
        """The lap that begins at `start`."""
        follows = self.start is not None
        if self.start is not None and self.seconds is not None and start is not None:
            follows = start - self.start - self.seconds < STOPPED
        return _Lap(start, follows_at_once=follows)


def _time(text: str | None) -> float | None:
    """A time in seconds since 1970; one without a zone is UTC, as both formats demand."""
    try:
        moment = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
