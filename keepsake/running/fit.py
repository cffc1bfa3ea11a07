"""The points of a FIT file, by fitdecode. The names are those of Garmin's FIT profile."""

import struct
from collections.abc import Callable
from typing import Any

from fitdecode import CrcCheck, ErrorHandling, FitDataMessage, FitReader
from fitdecode.exceptions import FitCRCError, FitEOFError, FitError
from fitdecode.processors import FIT_DATETIME_MIN, FIT_UTC_REFERENCE

from keepsake.errors import PermanentError
from keepsake.running.points import NoActivity, Points, Totals
from keepsake.running.sports import sport_name

DEGREES = 180 / 2**31  # a semicircle
FOOTER = 2  # bytes: the checksum at the end

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


def read(data: bytes, *, only_start: bool = False) -> Points:
    """The points of a FIT file; with `only_start` no more than it takes to know its first time.

    Raises:
        PermanentError: it is cut or damaged, or no activity.
    """
    if not only_start:
        data = _whole(data)
    points = Points("fit")
    reader = FitReader(
        data,
        processor=None,  # it would turn numbers into dates and the like
        check_crc=CrcCheck.DISABLED if only_start else CrcCheck.RAISE,
        error_handling=ErrorHandling.IGNORE,  # a field that is no good is not the whole file
    )
    try:
        with reader:
            for frame in reader:
                if isinstance(frame, FitDataMessage) and frame.global_mesg_num in MESSAGES:
                    MESSAGES[frame.global_mesg_num](points, frame)
                if only_start and points.first_time is not None:
                    break
    except FitCRCError:
        raise PermanentError("the FIT file is damaged: its checksum does not match") from None
    except FitEOFError as error:
        raise PermanentError(f"the FIT file breaks off after {error.offset:,} bytes") from None
    except DAMAGE:
        raise PermanentError("the FIT file is damaged: it cannot be decoded") from None
    return points


def _whole(data: bytes) -> bytes:
    """The file without padding behind its end; another file may be chained to it there."""
    end = data[0] + int.from_bytes(data[4:8], "little") + FOOTER
    if len(data) < end:
        raise PermanentError(f"the FIT file breaks off after {len(data):,} of {end:,} bytes")
    return data if data[end + 8 : end + 12] == b".FIT" else data[:end]


def _read_file_id(points: Points, message: Any) -> None:
    kind = message.get_value("type", fallback=None)
    if kind not in (None, "activity"):
        other = kind if isinstance(kind, str) else "something unknown"
        raise NoActivity(f"the FIT file is no activity: it holds {other}")
    _note_start(points, message.get_value("time_created", fallback=None))


def _read_sport(points: Points, message: Any) -> None:
    points.sport = points.sport or sport_name(str(message.get_value("sport", fallback="")))


def _read_session(points: Points, message: Any) -> None:
    _read_sport(points, message)
    _note_start(points, message.get_value("start_time", fallback=None))
    points.totals = Totals(
        distance=_number(message.get_value("total_distance", fallback=None)),
        elapsed=_number(message.get_value("total_elapsed_time", fallback=None)),
        moving=_number(message.get_value("total_timer_time", fallback=None)),
    )


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
    18: _read_session,
    20: _read_record,
    21: _read_event,
}
