"""Activity files: which format one is, when it began, and the track in it.

A file is known by its content, never by its name. What comes here is other people's: run it in a
process apart when it is read whole (`facts.compute` is made for that).
"""

import gzip
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from keepsake.errors import PermanentError
from keepsake.running.points import Format, Points, start_of

if TYPE_CHECKING:
    from keepsake.running.track import Track

MOST_BYTES = 50_000_000  # unpacked; `MAX_ACTIVITY_MB` says it for an installation


@dataclass(frozen=True)
class Start:
    """What the beginning of a file tells. `sport` is None where only the end of it would say."""

    format: Format
    started_at: datetime
    sport: str | None


def unpack(data: bytes, *, most_bytes: int = MOST_BYTES) -> bytes:
    """The file itself: unpacked where it came as `.gz`, never beyond `most_bytes`.

    Raises:
        PermanentError: it is larger than that, or its packing is broken.
    """
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(most_bytes + 1)
        except (OSError, EOFError, zlib.error):
            raise PermanentError("the packed file (.gz) is damaged or breaks off") from None
    if len(data) > most_bytes:
        raise PermanentError(
            f"the file has more than {most_bytes // 1_000_000:,} MB unpacked: "
            "raise MAX_ACTIVITY_MB to read it"
        )
    return data


def read_start(data: bytes, *, most_bytes: int = MOST_BYTES) -> Start:
    """When the activity in this file began, from as little of it as that takes.

    A file that breaks off later passes here: reading the whole of it will say so.

    Raises:
        PermanentError: it is no activity file, or does not say when it began.
    """
    points = _read(unpack(data, most_bytes=most_bytes), only_start=True)
    return Start(points.format, start_of(points), points.sport)


def read_track(data: bytes, *, sport: str | None = None, most_bytes: int = MOST_BYTES) -> "Track":
    """The whole track in this file, mended. `sport` counts where the file names none.

    Raises:
        PermanentError: it is no activity file, is cut or damaged, or has no times.
    """
    from keepsake.running.track import mended  # numpy: not for looking at a start

    points = _read(unpack(data, most_bytes=most_bytes), only_start=False)
    points.sport = points.sport or sport
    return mended(points)


def _read(data: bytes, *, only_start: bool) -> Points:
    return _reader(data)(data, only_start=only_start)


def _reader(data: bytes) -> Callable[..., Points]:
    """What reads this format. The parsers load here: whoever imports this module may need none."""
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
