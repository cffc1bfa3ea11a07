"""An activity file looked at as it is taken in: what it holds, which format, and when it began.

Runs in a process apart (`keepsake/apart.py`), on a stranger's bytes. A file need not be whole:
what its beginning tells is enough to keep it. Reading all of it is a step's work (`facts.py`).
"""

import hashlib
import re
import zlib
from dataclasses import dataclass
from datetime import datetime

from keepsake.errors import InvalidInput, PermanentError
from keepsake.running.files import read_start
from keepsake.running.points import Format, NoActivity

GZIP = b"\x1f\x8b"
_CHUNK = 1 << 10  # bytes unpacked at once: where they are damaged, all of them are lost
_BEGINNING = 4096  # bytes within which XML has come to its root
_ROOTS: tuple[tuple[bytes, Format], ...] = ((b"gpx", "gpx"), (b"TrainingCenterDatabase", "tcx"))


@dataclass(frozen=True)
class Examined:
    """What a file is. `started_at` is None where it does not say or cannot be read."""

    sha256: str  # of what it holds, unpacked
    format: Format
    started_at: datetime | None


def examine(data: bytes, *, most_bytes: int) -> Examined:
    """Tell what a file is, by its content.

    Raises:
        InvalidInput: it is no activity file, or larger than `most_bytes` when unpacked.
    """
    plain = unpacked(data, most_bytes=most_bytes)
    if data and not plain:
        raise InvalidInput("the packed file (.gz) is damaged or empty")
    digest = hashlib.sha256(plain).hexdigest()
    try:
        start = read_start(plain, most_bytes=most_bytes)
    except NoActivity as error:
        raise InvalidInput(str(error)) from None
    except PermanentError as error:
        kind = _format(plain)
        if kind is None:
            raise InvalidInput(str(error)) from None
        return Examined(digest, kind, None)
    return Examined(digest, start.format, start.started_at)


def _format(plain: bytes) -> Format | None:
    """The format of a file that cannot be read, by how it begins."""
    if plain[8:12] == b".FIT":
        return "fit"
    beginning = plain[:_BEGINNING].replace(b"\0", b"")
    for root, kind in _ROOTS:
        if re.search(rb"<(?:\w+:)?" + root + rb"[\s>]", beginning):
            return kind
    return None


def unpacked(data: bytes, *, most_bytes: int) -> bytes:
    """What a gzip file holds; anything else as it is.

    One that breaks off or is damaged gives what comes before: its beginning may tell what it is.

    Raises:
        InvalidInput: it holds more than `most_bytes`.
    """
    plain = _inflated(data, most_bytes + 1) if data.startswith(GZIP) else data
    if len(plain) > most_bytes:
        raise InvalidInput(
            f"the file has more than {most_bytes // 1_000_000:,} MB unpacked (MAX_ACTIVITY_MB)"
        )
    return plain


def _inflated(data: bytes, most: int) -> bytes:
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    plain = bytearray()
    try:
        for at in range(0, len(data), _CHUNK):
            plain += stream.decompress(data[at : at + _CHUNK], most - len(plain))
            if len(plain) >= most or stream.eof:
                break
    except zlib.error:
        pass
    return bytes(plain)
