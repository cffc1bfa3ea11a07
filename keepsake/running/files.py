"""Activity files: which format one is, when it began, and the track in it.

A file is known by its content, never by its name. What comes here is other people's: where it is
read whole, the worker pool does so (`facts.compute` is made for that).
"""

import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from keepsake.errors import PermanentError
from keepsake.running.points import Format, Points, start_of

if TYPE_CHECKING:
    from keepsake.running.track import Track

GZIP = b"\x1f\x8b"
_CHUNK = 1 << 10  # bytes unpacked at once
Flaw = Literal["cut_off", "damaged", "checksum_mismatch"]
MOST_BYTES = 50_000_000  # unpacked; `MAX_ACTIVITY_MB` says it for an installation


@dataclass(frozen=True)
class Start:
    """What the beginning of a file says. `sport` is None where only the end of it would say.

    `others` are the starts of the further activities in it, where it holds several.
    """

    format: Format
    started_at: datetime
    sport: str | None
    others: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Unpacked:
    """A file as it is without its packing. `flaw` names what was wrong with that."""

    data: bytes
    flaw: Flaw | None = None


def unpack(data: bytes, *, most_bytes: int = MOST_BYTES) -> Unpacked:
    """The file itself: unpacked where it came as `.gz`, never beyond `most_bytes`.

    One that breaks off or is damaged gives what comes before.

    Raises:
        PermanentError: it is larger than that, or nothing of it can be unpacked.
    """
    found = _inflated(data, most_bytes + 1) if data.startswith(GZIP) else Unpacked(data)
    if len(found.data) > most_bytes:
        raise PermanentError(
            f"the file has more than {most_bytes // 1_000_000:,} MB unpacked: "
            "raise MAX_ACTIVITY_MB to read it"
        )
    if data and not found.data:
        raise PermanentError("the packed file (.gz) is damaged or empty")
    return found


def _inflated(data: bytes, most: int) -> Unpacked:
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    plain = bytearray()
    for at in range(0, len(data), _CHUNK):
        try:
            plain += stream.decompress(data[at : at + _CHUNK], most - len(plain))
        except zlib.error as error:
            at_the_end = "incorrect data check" in str(error) or "incorrect length" in str(error)
            flaw: Flaw = "checksum_mismatch" if at_the_end else "damaged"
            return Unpacked(_up_to_the_flaw(data[: at + _CHUNK], at, most), flaw)
        if len(plain) >= most:
            break
        if stream.eof:
            return Unpacked(bytes(plain))
    return Unpacked(bytes(plain), None if len(plain) >= most else "cut_off")


def _up_to_the_flaw(data: bytes, sound: int, most: int) -> bytes:
    """What comes out of `data` up to the byte that ends it; the first `sound` bytes do not.

    A chunk with a fault in it gives nothing at all: this one is unpacked byte by byte.
    """
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    plain = bytearray(stream.decompress(data[:sound], most))
    with suppress(zlib.error):
        for at in range(sound, len(data)):
            if len(plain) < most:
                plain += stream.decompress(data[at : at + 1], most - len(plain))
    return bytes(plain)


def read_start(data: bytes, *, most_bytes: int = MOST_BYTES) -> Start:
    """When the activity in this file began, from as little of it as that takes.

    A file that breaks off later passes here: reading the whole of it will say so.

    Raises:
        PermanentError: it is no activity file, or does not say when it began.
    """
    first, *others = _read(unpack(data, most_bytes=most_bytes).data, only_start=True)
    return Start(first.format, start_of(first), first.sport, tuple(map(start_of, others)))


def read_track(
    data: bytes, *, part: int = 1, sport: str | None = None, most_bytes: int = MOST_BYTES
) -> "Track":
    """The whole track of an activity in this file, repaired.

    Args:
        data: the file, packed or not.
        part: which of its activities, from 1.
        sport: counts where the file names none.
        most_bytes: the largest file that is read, unpacked.

    Raises:
        PermanentError: it is no activity file, nothing of it can be read, or it has no times.
    """
    from keepsake.running.track import repaired  # numpy: not for looking at a start

    unpacked = unpack(data, most_bytes=most_bytes)
    found = _read(unpacked.data, only_start=False)
    if part > len(found):
        raise PermanentError(f"the file has no activity {part}: it has {len(found)}")
    points = found[part - 1]
    points.sport = points.sport or sport
    if unpacked.flaw:
        points.issues[unpacked.flaw] = 1
    return repaired(points)


def _read(data: bytes, *, only_start: bool) -> list[Points]:
    return _reader(data)(data, only_start=only_start)


def _reader(data: bytes) -> Callable[..., list[Points]]:
    """What reads this format. The parsers load here: importing this module needs none."""
    if data[8:12] == b".FIT":
        from keepsake.running import fit

        return fit.read
    if not data:
        raise PermanentError("the file is empty")
    if data[:4] == b"PK\x03\x04":
        raise PermanentError("the file is a zip archive: import it as an archive")
    from keepsake.running import markup

    if markup.is_markup(data):
        return markup.read
    raise PermanentError("the file is none of FIT, GPX or TCX")
