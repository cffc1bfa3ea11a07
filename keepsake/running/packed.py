"""An activity file checked as it is added: what it holds, which format, and when it began.

Runs in the worker pool (`keepsake/worker_pool.py`), on untrusted bytes. A file need not be
whole: what its beginning says is enough to keep it. Reading all of it is a step's work
(`facts.py`).
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from keepsake.errors import InvalidInput, PermanentError
from keepsake.running.files import read_start, unpack
from keepsake.running.points import Format, NoActivity

_BEGINNING = 4096  # bytes within which XML has come to its root
_ENDING = 256  # bytes that have the root's end in them
_ENDS = {"gpx": b"gpx>", "tcx": b"TrainingCenterDatabase>"}
_ROOTS: tuple[tuple[bytes, Format], ...] = ((b"gpx", "gpx"), (b"TrainingCenterDatabase", "tcx"))


@dataclass(frozen=True)
class Examined:
    """What a file is.

    Attributes:
        sha256: of what it holds, unpacked.
        format: which of them it is.
        started_at: None where it does not say or cannot be read.
        others: the starts of the further activities in it.
        whole: whether it ends as such a file does. One that does not may be read to where it ends.
    """

    sha256: str
    format: Format
    started_at: datetime | None
    others: tuple[datetime, ...] = ()
    whole: bool = True


def examine(data: bytes, *, most_bytes: int) -> Examined:
    """Say what a file is, by its content.

    Raises:
        InvalidInput: it is no activity file, or larger than `most_bytes` when unpacked.
    """
    try:
        unpacked = unpack(data, most_bytes=most_bytes)
    except PermanentError as error:
        raise InvalidInput(str(error)) from None
    plain = unpacked.data
    digest = hashlib.sha256(plain).hexdigest()
    try:
        start = read_start(plain, most_bytes=most_bytes)
    except NoActivity as error:
        raise InvalidInput(str(error)) from None
    except PermanentError as error:
        kind = _format(plain)
        if kind is None:
            raise InvalidInput(str(error)) from None
        return Examined(digest, kind, None, whole=False)
    whole = unpacked.flaw is None and _ends(plain, start.format)
    return Examined(digest, start.format, start.started_at, start.others, whole)


def _ends(plain: bytes, format: Format) -> bool:
    """Whether a file ends as it should."""
    if format == "fit":
        return len(plain) >= plain[0] + int.from_bytes(plain[4:8], "little") + 2
    return plain[-_ENDING:].replace(b"\0", b"").rstrip().endswith(_ENDS[format])


def _format(plain: bytes) -> Format | None:
    """The format of a file that cannot be read, by how it begins."""
    if plain[8:12] == b".FIT":
        return "fit"
    beginning = plain[:_BEGINNING].replace(b"\0", b"")
    for root, kind in _ROOTS:
        if re.search(rb"<(?:\w+:)?" + root + rb"[\s>]", beginning):
            return kind
    return None
