"""Activity files as watches write them, from runs whose every number is known.

`steady()` makes a run of which all facts can be told in one's head, `fit()`, `gpx()` and `tcx()`
write any run, a thousand and more short ones a second: benchmarks use them too.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MORNING = datetime(2026, 9, 6, 5, 30, tzinfo=UTC)
METRES_A_DEGREE = 2 * np.pi * 6_371_008.8 / 360  # along a meridian
FIT_EPOCH = datetime(1989, 12, 31, tzinfo=UTC)
SEMICIRCLES = 2**31 / 180
SPORTS = {"running": 1, "cycling": 2, "walking": 11}
TCX_SPORTS = {"running": "Running", "cycling": "Biking"}


@dataclass(frozen=True)
class Run:
    """A run, point by point; None for what the watch did not measure.

    Attributes:
        started_at: of the first point.
        seconds: since then.
        latitude: degrees, and so is `longitude`.
        distance: metres, as the watch counts them.
        elevation: metres.
        heart_rate: beats a minute.
        cadence: strides a minute, half the steps.
        sport: `running`, `cycling` or `walking`.
        pauses: the points before which the watch was stopped.
    """

    started_at: datetime
    seconds: Floats
    latitude: Floats | None = None
    longitude: Floats | None = None
    distance: Floats | None = None
    elevation: Floats | None = None
    heart_rate: Floats | None = None
    cadence: Floats | None = None
    sport: str = "running"
    pauses: frozenset[int] = frozenset()

    def of_points(self, at: NDArray[np.intp]) -> "Run":
        """The run of these of its points, in this order."""
        columns: dict[str, Any] = {
            name: None if (values := getattr(self, name)) is None else values[at]
            for name in COLUMNS
        }
        return replace(self, **columns)


COLUMNS = (
    "seconds", "latitude", "longitude", "distance", "elevation", "heart_rate", "cadence",
)  # fmt: skip


def steady(
    started_at: datetime = MORNING,
    minutes: float = 30,
    *,
    pace: float = 300,
    heart_rate: float | None = 150,
    every: float = 1,
    grade: float = 0,
    sport: str = "running",
    seed: int = 0,
) -> Run:
    """A run due north at one pace and one heart rate.

    Args:
        started_at: when.
        minutes: how long; a whole number of steps of `every` seconds.
        pace: seconds a kilometre.
        heart_rate: beats a minute, None for a run without a strap.
        every: seconds between points.
        grade: metres climbed a metre.
        sport: what the file calls it.
        seed: another one, another place.
    """
    seconds = np.arange(0, minutes * 60 + every / 2, every)
    distance = seconds * 1000 / pace
    places = np.random.default_rng(seed)
    latitude, longitude = places.uniform(-50, 50), places.uniform(-170, 170)
    return Run(
        started_at=started_at,
        seconds=seconds,
        latitude=latitude + distance / METRES_A_DEGREE,
        longitude=np.full(len(seconds), longitude),
        distance=distance,
        elevation=100 + grade * distance,
        heart_rate=None if heart_rate is None else np.full(len(seconds), heart_rate),
        cadence=np.full(len(seconds), 85.0),
        sport=sport,
    )


# FIT: a header, definitions of messages and messages, and a checksum (Garmin's FIT SDK). A field is
# its number, its type's number, and numpy's name of the type. A value that is missing is the type's
# highest.

FIELDS = {
    "timestamp": (253, 0x86, "<u4"),
    "latitude": (0, 0x85, "<i4"),
    "longitude": (1, 0x85, "<i4"),
    "elevation": (2, 0x84, "<u2"),
    "heart_rate": (3, 0x02, "u1"),
    "cadence": (4, 0x02, "u1"),
    "distance": (5, 0x86, "<u4"),
}
RECORD = np.dtype([("header", "u1")] + [(name, kind) for name, (_, _, kind) in FIELDS.items()])
# As the file has them: values times the scale, plus the offset.
SCALES = {
    "latitude": (SEMICIRCLES, 0),
    "longitude": (SEMICIRCLES, 0),
    "elevation": (5, 2500),
    "heart_rate": (1, 0),
    "cadence": (1, 0),
    "distance": (100, 0),
}
FILE_ID, SESSION, RECORDS, EVENT = range(4)  # local numbers of messages


def fit(run: Run) -> bytes:
    """The run as a FIT file."""
    start = round((run.started_at - FIT_EPOCH).total_seconds())
    records = _records(run, start)
    marks = [0, *sorted(run.pauses), len(records)]
    parts = [
        _definition(FILE_ID, 0, [(0, 1, 0x00), (1, 2, 0x84), (4, 4, 0x86)]),
        struct.pack("<BBHI", FILE_ID, 4, 1, start),
        _definition(EVENT, 21, [(253, 4, 0x86), (0, 1, 0x00), (1, 1, 0x00)]),
        _definition(RECORDS, 20, [(n, np.dtype(k).itemsize, t) for n, t, k in FIELDS.values()]),
    ]
    for begin, end in pairwise(marks):
        section = records[begin:end]
        if len(section):
            parts += [
                struct.pack("<BIBB", EVENT, section["timestamp"][0], 0, 0),
                section.tobytes(),
                struct.pack("<BIBB", EVENT, section["timestamp"][-1], 0, 4),
            ]
    parts += [
        _definition(
            SESSION,
            18,
            [(253, 4, 0x86), (2, 4, 0x86), (5, 1, 0), (7, 4, 0x86), (8, 4, 0x86), (9, 4, 0x86)],
        ),
        _session(run, start),
    ]
    return fit_file(b"".join(parts))


def fit_file(body: bytes) -> bytes:
    """A FIT file with these messages: header and checksum around them."""
    header = struct.pack("<BBHI4s", 14, 0x20, 2132, len(body), b".FIT")
    header += struct.pack("<H", checksum(header))
    return header + body + struct.pack("<H", checksum(header + body))


def checksum(data: bytes) -> int:
    """CRC-16/ARC, as FIT files end with."""
    crc = 0
    for byte in data:
        crc = (crc >> 8) ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
    return byte


CRC_TABLE = [_crc_of(byte) for byte in range(256)]


def _definition(local: int, number: int, fields: Iterable[tuple[int, int, int]]) -> bytes:
    packed = [struct.pack("BBB", *field) for field in fields]
    return struct.pack("<BBBHB", 0x40 | local, 0, 0, number, len(packed)) + b"".join(packed)


def _records(run: Run, start: int) -> NDArray[np.void]:
    records = np.zeros(len(run.seconds), RECORD)
    records["header"] = RECORDS
    records["timestamp"] = start + np.round(run.seconds).astype(np.int64)
    for name, (scale, offset) in SCALES.items():
        values: Floats | None = getattr(run, name)
        missing = np.iinfo(RECORD[name]).max
        if values is None:
            records[name] = missing
        else:
            scaled = np.round(values * scale + offset)
            records[name] = np.where(np.isfinite(scaled), scaled, missing).astype(RECORD[name])
    return records


def _session(run: Run, start: int) -> bytes:
    elapsed = float(run.seconds[-1]) if len(run.seconds) else 0.0
    metres = 0.0 if run.distance is None or not len(run.distance) else float(run.distance[-1])
    timer = elapsed - sum(float(run.seconds[at] - run.seconds[at - 1]) for at in run.pauses)
    return struct.pack(
        "<BIIBIII",
        SESSION,
        start + round(elapsed),
        start,
        SPORTS[run.sport],
        round(elapsed * 1000),
        round(timer * 1000),
        round(metres * 100),
    )


def gpx(run: Run, *, times: bool = True) -> bytes:
    """The run as a GPX file with Garmin's extension for heart rate and cadence."""
    points = []
    for i, moment in enumerate(_moments(run)):
        if i in run.pauses:
            points.append("</trkseg><trkseg>")
        extension = _tag("gpxtpx:hr", run.heart_rate, i) + _tag("gpxtpx:cad", run.cadence, i)
        points.append(
            f'<trkpt lat="{_value(run.latitude, i, 8)}" lon="{_value(run.longitude, i, 8)}">'
            + _tag("ele", run.elevation, i, 2)
            + (f"<time>{moment}</time>" if times else "")
            + f"<extensions><gpxtpx:TrackPointExtension>{extension}"
            "</gpxtpx:TrackPointExtension></extensions></trkpt>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<gpx creator="Keepsake" version="1.1" xmlns="http://www.topografix.com/GPX/1/1"'
        ' xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v1">'
        f"<metadata><name>A run</name></metadata><trk><type>{run.sport}</type><trkseg>\n"
        + "\n".join(points)
        + "\n</trkseg></trk></gpx>\n"
    ).encode()


def tcx(run: Run) -> bytes:
    """The run as a TCX file of one lap."""
    points = []
    for i, moment in enumerate(_moments(run)):
        if i in run.pauses:
            points.append("</Track><Track>")
        beats = _tag("Value", run.heart_rate, i)
        place = _tag("LatitudeDegrees", run.latitude, i, 8)
        place += _tag("LongitudeDegrees", run.longitude, i, 8)
        steps = _tag("ns3:RunCadence", run.cadence, i)
        points.append(
            f"<Trackpoint><Time>{moment}</Time>"
            + (f"<Position>{place}</Position>" if place else "")
            + _tag("AltitudeMeters", run.elevation, i, 2)
            + _tag("DistanceMeters", run.distance, i, 2)
            + (f"<HeartRateBpm>{beats}</HeartRateBpm>" if beats else "")
            + (f"<Extensions><ns3:TPX>{steps}</ns3:TPX></Extensions>" if steps else "")
            + "</Trackpoint>"
        )
    began = run.started_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    total = run.seconds[-1] if len(run.seconds) else 0
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"'
        ' xmlns:ns3="http://www.garmin.com/xmlschemas/ActivityExtension/v2"><Activities>'
        f'<Activity Sport="{TCX_SPORTS.get(run.sport, "Other")}"><Id>{began}</Id>'
        f'<Lap StartTime="{began}"><TotalTimeSeconds>{total}</TotalTimeSeconds>'
        f"<DistanceMeters>{_value(run.distance, -1, 2) or 0}</DistanceMeters>"
        "<AverageHeartRateBpm><Value>99</Value></AverageHeartRateBpm><Track>\n"
        + "\n".join(points)
        + "\n</Track></Lap></Activity></Activities></TrainingCenterDatabase>\n"
    ).encode()


def _moments(run: Run) -> list[str]:
    moments = (run.started_at + timedelta(seconds=float(s)) for s in run.seconds)
    return [f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z" for moment in moments]


def _value(values: Floats | None, i: int, digits: int = 0) -> str:
    if values is None or not len(values) or not np.isfinite(values[i]):
        return ""
    return f"{values[i]:.{digits}f}"


def _tag(name: str, values: Floats | None, i: int, digits: int = 0) -> str:
    text = _value(values, i, digits)
    return f"<{name}>{text}</{name}>" if text else ""
