"""The points of a FIT file, by fitdecode. The names are those of Garmin's FIT profile.

A file may hold several activities: FIT files chained one behind the other, and sessions of several
sports (a triathlon). `outline.py` finds them without decoding the file.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from fitdecode import CrcCheck, ErrorHandling, FitCRC, FitDataMessage, FitReader
from fitdecode.exceptions import FitEOFError, FitError
from fitdecode.processors import FIT_DATETIME_MIN, FIT_UTC_REFERENCE

from keepsake.errors import PermanentError
from keepsake.running.outline import Piece, pieces
from keepsake.running.points import Length, NoActivity, Points, Session, Totals
from keepsake.running.sports import sport_name

DEGREES = 180 / 2**31  # a semicircle
MOST_ACTIVITIES = 100  # that are taken from one file
TRANSITION = "transition"  # between the sports of a triathlon: no activity

# From the names of a record's fields to ours, and to our units. The enhanced altitude is there
# whichever of the two a watch wrote: fitdecode makes it of the other.
FIELDS: dict[str, tuple[str, float]] = {
    "timestamp": ("time", 1.0),
    "position_lat": ("latitude", DEGREES),
    "position_long": ("longitude", DEGREES),
    "distance": ("distance", 1.0),
    "enhanced_altitude": ("elevation", 1.0),
    "heart_rate": ("heart_rate", 1.0),
    "cadence": ("cadence", 1.0),
}
# What fitdecode raises on bytes that are no FIT, beside its own errors.
DAMAGE = (FitError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError,
          ValueError, struct.error)  # fmt: skip


def read(data: bytes, *, only_start: bool = False) -> list[Points]:
    """The points of each activity in a FIT file; with `only_start` no more than to the first time.

    What cannot be read ends its piece of the file; what came before it is taken: `cut_off` where
    the file ends too early, `damaged` where it cannot be decoded. `not_closed` is one without a
    checksum, `checksum_mismatch` one with a wrong one, `file_behind` counts chained files that are
    no activity.

    Raises:
        PermanentError: nothing of an activity can be read.
        NoActivity: the file holds something else.
    """
    found = list(pieces(data))
    activities = [piece for piece in found if piece.is_activity]
    if not activities:
        # Read for what it says of itself.
        activities = found[:1]
    if only_start and not _several(activities):
        return [_decoded(activities[0], only_start=True)]
    parts = [part for piece in activities for part in _by_session(_decoded(piece))]
    behind = len(found) - len(activities)
    return _numbered(parts[:MOST_ACTIVITIES], behind)


def _several(activities: Sequence[Piece]) -> bool:
    """Whether there seems to be more than one activity; costs no decoding."""
    return len(activities) > 1 or any(len(set(piece.sports)) > 1 for piece in activities)


def _numbered(parts: list[Points], behind: int) -> list[Points]:
    for part in parts:
        if len(parts) > 1:
            part.issues["part_of_file"] = len(parts)
        if behind:
            part.issues["file_behind"] = behind
    return parts


def _decoded(piece: Piece, *, only_start: bool = False) -> Points:
    """The points of one piece, up to its end or to what is wrong with it.

    Raises:
        PermanentError: that is nothing.
    """
    points = Points("fit")
    sessions = _Sessions()
    if piece.missing:
        points.issues["cut_off" if piece.missing > 2 else "not_closed"] = 1
    reader = FitReader(
        piece.data,
        processor=None,  # it would turn numbers into dates and the like
        check_crc=CrcCheck.DISABLED if only_start or piece.missing else CrcCheck.READONLY,
        error_handling=ErrorHandling.IGNORE,  # a field that is no good is not the whole file
    )
    try:
        with reader:
            for frame in reader:
                if isinstance(frame, FitDataMessage):
                    _take(points, sessions, frame)
                elif isinstance(frame, FitCRC) and not (only_start or piece.missing):
                    _check(points, frame)
                if only_start and points.first_time is not None:
                    break
    except NoActivity:
        raise
    except DAMAGE as error:
        _flawed(points, piece, error)
    points.sessions = sessions.found
    return points


def _take(points: Points, sessions: "_Sessions", message: Any) -> None:
    if message.global_mesg_num in MESSAGES:
        MESSAGES[message.global_mesg_num](points, message)
    elif message.global_mesg_num == 18:
        sessions.add(points, message)


def _check(points: Points, frame: Any) -> None:
    """Note a checksum that does not fit. 0 is there if a device did not write one."""
    if not frame.matched:
        points.issues["not_closed" if frame.crc == 0 else "checksum_mismatch"] = 1


def _flawed(points: Points, piece: Piece, error: Exception) -> None:
    """Note that the reader stopped, where there is something to keep.

    Raises:
        PermanentError: there is nothing.
    """
    cut = piece.missing > 0 and isinstance(error, FitEOFError)
    if points.first_time is None and not points.totals:
        if piece.missing:
            have = piece.size - piece.missing
            raise PermanentError(
                f"the FIT file breaks off after {have:,} of {piece.size:,} bytes"
            ) from None
        raise PermanentError("the FIT file is damaged: it cannot be decoded") from None
    points.issues["cut_off" if cut else "damaged"] = 1


# -- messages -------------------------------------------------------------------------------------


def _read_file_id(points: Points, message: Any) -> None:
    kind = message.get_value("type", fallback=None)
    if kind not in (None, "activity"):
        other = kind if isinstance(kind, str) else "something unknown"
        raise NoActivity(f"the FIT file is no activity: it holds {other}")
    _note_start(points, message.get_value("time_created", fallback=None))


def _read_sport(points: Points, message: Any) -> None:
    points.sport = points.sport or sport_name(str(message.get_value("sport", fallback="")))


class _Sessions:
    """The sessions of a file as they come; their totals are those of the whole."""

    def __init__(self) -> None:
        self.found: list[Session] = []

    def add(self, points: Points, message: Any) -> None:
        """Take a session's word for the whole, with those before it."""
        sport = sport_name(str(message.get_value("sport", fallback="")))
        start = _since_1970(message.get_value("start_time", fallback=None))
        totals = Totals(
            distance=_number(message.get_value("total_distance", fallback=None)),
            elapsed=_number(message.get_value("total_elapsed_time", fallback=None)),
            moving=_number(message.get_value("total_timer_time", fallback=None)),
            heart_rate=_number(message.get_value("avg_heart_rate", fallback=None)),
            max_heart_rate=_number(message.get_value("max_heart_rate", fallback=None)),
            pool_length=_number(message.get_value("pool_length", fallback=None)),
        )
        session = Session(start, sport, totals)
        if session in self.found:  # some devices write one twice
            return
        points.sport = points.sport or sport
        if start is not None and not self.found:
            points.started_at = start  # the file itself may have been created before
        points.totals = totals if points.totals is None else points.totals.with_more(totals)
        self.found.append(session)


def _read_event(points: Points, message: Any) -> None:
    timer = message.get_value("event", fallback=None) == "timer"
    if timer and message.get_value("event_type", fallback=None) == "start":
        points.pause()


def _read_record(points: Points, message: Any) -> None:
    point: dict[str, float] = {}
    for field in message.fields:
        known = FIELDS.get(field.name)
        own = field.field_def is not None and field.field_def.is_dev  # an app's own field
        if known and not own and isinstance(field.value, int | float):
            name, scale = known
            point[name] = field.value * scale
    time = _since_1970(point.pop("time", None))
    if time is not None:
        point["time"] = time
    points.add(point)


def _read_length(points: Points, message: Any) -> None:
    """A length of a pool, or the rest between two."""
    start = _since_1970(message.get_value("start_time", fallback=None))
    seconds = _number(message.get_value("total_elapsed_time", fallback=None))
    if start is not None and seconds is not None and seconds > 0:
        active = message.get_value("length_type", fallback="active") == "active"
        points.lengths.append(Length(start, seconds, active))


def _read_beats(points: Points, message: Any) -> None:
    """Heart rates that a strap stored under water and gave to the watch afterwards.

    Times are counted by the strap's own clock in 1/1024 s; a message with a `timestamp` says which
    moment of it is which of the watch's. `event_timestamp_12` are its lowest 12 bits, two of them
    in three bytes (the plugin for HR messages of Garmin's FIT SDK).
    """
    raw = {f.name: f.raw_value for f in message.fields if f.field_def is not None}
    beats = _numbers(raw.get("filtered_bpm"))
    whole = [int(tick) for tick in _numbers(raw.get("event_timestamp"))]
    start = _since_1970(_number(raw.get("timestamp")))
    if start is not None and whole:
        fraction = (_number(raw.get("fractional_timestamp")) or 0.0) / 32_768
        points.strap_clock = (whole[0], start + fraction)
        points.strap_tick = whole[0]
    if points.strap_clock is None:
        return
    ticks = whole or list(_unpacked(raw.get("event_timestamp_12"), points.strap_tick))
    first_tick, first_time = points.strap_clock
    for tick, bpm in zip(ticks, beats, strict=False):
        points.strap_tick = tick
        if 0 < bpm < 255:
            points.beats.append((first_time + (tick - first_tick) / 1024, bpm))


def _unpacked(packed: Any, tick: int) -> Iterator[int]:
    """Ticks of the strap's clock out of their lowest 12 bits, each no earlier than the last."""
    data = [int(value) & 0xFF for value in _numbers(packed)]
    for at in range(0, len(data) - 2, 3):
        one, two, three = data[at : at + 3]
        for low in (one | (two & 0x0F) << 8, two >> 4 | three << 4):
            tick += (low - tick) & 0xFFF
            yield tick


def _numbers(value: Any) -> Sequence[float]:
    if isinstance(value, bytes):
        return list(value)
    if not isinstance(value, Iterable) or isinstance(value, str):
        value = [value]
    return [float(v) for v in value if isinstance(v, int | float)]


def _note_start(points: Points, moment: Any) -> None:
    points.started_at = points.started_at or _since_1970(moment)


def _since_1970(moment: Any) -> float | None:
    """A FIT time in seconds since 1970; None for one counted from the start of the watch."""
    number = _number(moment)
    return FIT_UTC_REFERENCE + number if number and number >= FIT_DATETIME_MIN else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


MESSAGES: dict[int, Callable[[Points, Any], None]] = {
    0: _read_file_id,
    12: _read_sport,
    20: _read_record,
    21: _read_event,
    101: _read_length,
    132: _read_beats,
}


# -- several sports in one file -------------------------------------------------------------------


def _by_session(points: Points) -> list[Points]:
    """The activities of a piece: one for each session where sports differ, else the whole.

    A session's points are those from its start to that of the next. Transitions between two sports
    belong to none.
    """
    sessions = [s for s in points.sessions if s.start is not None]
    sports = {session.sport for session in sessions if session.sport != TRANSITION}
    if len(sports) < 2 or len(sessions) != len(points.sessions):
        return [points]
    sessions.sort(key=lambda session: session.start or 0.0)
    ends = [*(later.start for _, later in pairwise(sessions)), None]
    return [
        points.between(session.start, end, sport=session.sport, totals=session.totals)
        for session, end in zip(sessions, ends, strict=True)
        if session.sport != TRANSITION
    ]
