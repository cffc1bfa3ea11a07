"""Names that people give to things: without what cannot be printed, and short for addresses."""

import re
import unicodedata
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from keepsake.errors import InvalidInput

JOINERS = "\u200c\u200d"  # zero width, and not printable by Python's book


def clean_name(name: str) -> str:
    """A name without control characters or needless space.

    Raises:
        InvalidInput: nothing is left, or it is longer than 200 characters.
    """
    cleaned = " ".join(printable(name).split())
    if not cleaned.strip(JOINERS):
        raise InvalidInput("the name is empty")
    if len(cleaned) > 200:
        raise InvalidInput(f"the name has {len(cleaned)} characters; at most 200 are allowed")
    return cleaned


def printable(text: str, *, instead: str = "") -> str:
    """`text` with `instead` for every character that cannot be printed.

    The joiners stay: they are part of how Persian and Indian words, and emoji of several signs, are
    written.
    """
    return "".join(c if c.isprintable() or c in JOINERS else instead for c in text)


def slugify(name: str) -> str:
    """A name as addresses and settings have it: `Familie Müller` -> `familie-muller`.

    Raises:
        InvalidInput: it has no letter or digit that survives.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall(r"[a-z0-9]+", plain))
    if not slug:
        raise InvalidInput(f"{name!r} has no Latin letter or digit to make a short name from")
    return slug


def check_time_zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name.

    Raises:
        InvalidInput: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            f"{name!r} is no IANA time zone; write it like Europe/Berlin or America/New_York"
        ) from None
