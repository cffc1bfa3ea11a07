"""What a FIT file holds, read from its frame: no message is decoded but for a few bytes.

FIT files may be chained, and each may have several sessions. Checking a file as it is added needs
to know that, and has no time to decode thousands of messages for it. Sizes and numbers are those of
Garmin's FIT protocol.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

MARK = b".FIT"
HEADER = 12  # bytes: the shortest header
FOOTER = 2  # bytes: the checksum at the end
FILE_ID, SESSION = 0, 18  # numbers of messages
TYPE, SPORT = 0, 5  # numbers of their fields
ACTIVITY = 4  # the type of a file
UNKNOWN = 0xFF
_STRIDES = 64  # messages of one kind that are read together, at first


@dataclass(frozen=True)
class Piece:
    """One of the chained files.

    Attributes:
        data: its bytes as a reader takes them: with a header with its true size, and some
            checksum.
        size: bytes that it should have.
        missing: how many of them are missing at its end.
        type: of the file; None where it does not say.
        sports: the number of the sport of each of its sessions, in order.
    """

    data: bytes
    size: int
    missing: int
    type: int | None
    sports: tuple[int, ...] = ()

    @property
    def is_activity(self) -> bool:
        """Whether it is one, as far as it says."""
        return self.type in (None, ACTIVITY, UNKNOWN)


def pieces(data: bytes) -> Iterator[Piece]:
    """The chained files in `data`, at least one: up to padding or anything else that is no FIT."""
    at = 0
    while True:
        header = data[at]
        body = int.from_bytes(data[at + 4 : at + 8], "little")
        begin = at + header
        # A device that lost power leaves the size at 0, or what it was long before.
        end = begin + body if body else max(len(data), begin)
        whole = end + FOOTER
        missing = max(whole - len(data), 0) if body else FOOTER + 1
        frame = data[begin:end]
        kind, sports = _looked_through(frame)
        piece = data[at:whole] if not missing else _closed(data[at : at + HEADER], frame)
        yield Piece(piece, whole - at, missing, kind, sports)
        at = whole
        if data[at + 8 : at + HEADER] != MARK:
            return


def _closed(header: bytes, body: bytes) -> bytes:
    """A file that ends where its bytes do."""
    size = len(body).to_bytes(4, "little")
    return bytes([HEADER]) + header[1:4] + size + MARK + body + bytes(FOOTER)


@dataclass
class _Definition:
    """How messages of a local number look: size in bytes, and where the fields are in them."""

    number: int
    size: int
    at: dict[int, int] = field(default_factory=dict)


def _looked_through(body: bytes) -> tuple[int | None, tuple[int, ...]]:
    """The type of a file and the sports of its sessions; what cannot be followed ends it."""
    definitions: dict[int, _Definition] = {}
    kind: int | None = None
    sports: list[int] = []
    at = 0
    while at < len(body):
        header = body[at]
        if header & 0xC0 == 0x40:
            at = _define(body, at, definitions)
            continue
        local = (header >> 5) & 0x03 if header & 0x80 else header & 0x0F
        if (found := definitions.get(local)) is None:
            break
        if found.number == FILE_ID and kind is None and TYPE in found.at:
            kind = _byte(body, at + found.at[TYPE])
        elif found.number == SESSION:
            sport = _byte(body, at + found.at[SPORT]) if SPORT in found.at else None
            sports.append(UNKNOWN if sport is None else sport)
        at += _same(body, at, found.size) if found.number not in (FILE_ID, SESSION) else found.size
    return kind, tuple(sports)


def _byte(body: bytes, at: int) -> int | None:
    return body[at] if at < len(body) else None


def _define(body: bytes, at: int, definitions: dict[int, _Definition]) -> int:
    """Take a definition; returns where it ends, behind all where it is cut."""
    header = body[at]
    if at + 6 > len(body):
        return len(body)
    number = int.from_bytes(body[at + 3 : at + 5], "big" if body[at + 2] else "little")
    found = _Definition(number, size=1)
    fields = at + 6
    end = fields + 3 * body[at + 5]
    for place in range(fields, min(end, len(body) - 2), 3):
        found.at[body[place]] = found.size
        found.size += body[place + 1]
    if header & 0x20 and end < len(body):  # fields of apps behind
        own = end + 1
        end = own + 3 * body[end]
        found.size += sum(body[own + 1 : end : 3])
    definitions[header & 0x0F] = found
    return end


def _same(body: bytes, at: int, size: int) -> int:
    """Bytes of the messages from `at` on that have the same header as the first.

    Most of a file is thousands of records in a row. Their headers are `size` bytes from
    each other, and one slice has them all: as long as they are the same, each is the
    header of the next message.
    """
    header, strides, length = body[at : at + 1], _STRIDES, 0
    while True:
        headers = body[at + length : at + length + size * strides : size]
        same = len(headers) - len(headers.lstrip(header))
        length += same * size
        if same < strides:
            return length
        strides *= 8
