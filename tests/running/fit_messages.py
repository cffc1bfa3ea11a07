"""FIT files message by message, for what watches write beside records: sessions, lengths, beats."""

import struct
from collections.abc import Sequence

from tests.running.activity_files import FIT_EPOCH, MORNING, fit_file

START = round((MORNING - FIT_EPOCH).total_seconds())
FORMATS = {1: ("B", 0x02), 2: ("H", 0x84), 4: ("I", 0x86)}


def message(number: int, *fields: tuple[int, int, float]) -> bytes:
    """A definition and its message, of fields (number, bytes, value)."""
    defined = b"".join(struct.pack("BBB", n, size, FORMATS[size][1]) for n, size, _ in fields)
    values = b"".join(struct.pack("<" + FORMATS[size][0], round(v)) for _, size, v in fields)
    return struct.pack("<BBBHB", 0x40, 0, 0, number, len(fields)) + defined + b"\0" + values


def array(number: int, *fields: tuple[int, bytes, int]) -> bytes:
    """The same of fields that are raw bytes: (number, bytes, base type)."""
    defined = b"".join(struct.pack("BBB", n, len(data), kind) for n, data, kind in fields)
    values = b"".join(data for _, data, _ in fields)
    return struct.pack("<BBBHB", 0x40, 0, 0, number, len(fields)) + defined + b"\0" + values


FILE_ID = message(0, (0, 1, 4), (4, 4, START))


def record(second: float, **values: float) -> bytes:
    places = {"heart_rate": (3, 1, 1), "distance": (5, 4, 100)}
    fields = [(places[k][0], places[k][1], v * places[k][2]) for k, v in values.items()]
    return message(20, (253, 4, START + second), *fields)


def session(
    start: float, seconds: float, sport: int, metres: float, heart_rate: float = 255
) -> bytes:
    return message(
        18,
        (253, 4, START + start + seconds),
        (2, 4, START + start),
        (7, 4, seconds * 1000),
        (8, 4, seconds * 1000),
        (9, 4, metres * 100),
        (5, 1, sport),
        (16, 1, heart_rate),
    )


def length(start: float, seconds: float, *, swum: bool) -> bytes:
    return message(
        101, (253, 4, START + start + seconds), (2, 4, START + start), (3, 4, seconds * 1000),
        (12, 1, int(swum)),
    )  # fmt: skip


def swim(
    records: Sequence[dict[str, float]], lengths: Sequence[bytes] = (), heart_rate: float = 255
) -> bytes:
    points = b"".join(record(second, **values) for second, values in enumerate(records))
    ends = session(0, len(records), 5, 100, heart_rate)
    return fit_file(FILE_ID + points + b"".join(lengths) + ends)


# Ten minutes of swimming, a minute of changing, twenty minutes each of cycling and running.
TRIATHLON = fit_file(
    FILE_ID
    + b"".join(record(s, heart_rate=120) for s in range(0, 600, 10))
    + b"".join(record(s, distance=(s - 600) * 0.5) for s in range(600, 660, 10))
    + b"".join(record(s, distance=(s - 660) * 10) for s in range(660, 1860, 10))
    + b"".join(record(s, distance=(s - 1860) * 3) for s in range(1860, 3061, 10))
    + session(0, 600, 5, 400)
    + session(600, 60, 3, 30)
    + session(660, 1200, 2, 12_000)
    + session(1860, 1200, 1, 3600)
)
