"""Spans of time as people write them: `30s`, `5m`, `1h30m`, `2d`."""

import re
from datetime import timedelta

from keepsake.errors import InvalidInput

# So many digits that it stays far within what dates can be.
_WRITTEN = re.compile(
    r"(?:(?P<days>[0-9]{1,5})d)?(?:(?P<hours>[0-9]{1,6})h)?"
    r"(?:(?P<minutes>[0-9]{1,8})m)?(?:(?P<seconds>[0-9]{1,9})s)?"
)


def duration(text: str, what: str) -> timedelta:
    """The span that a text means.

    Raises:
        InvalidInput: it means none. The message begins with `what`.
    """
    written = _WRITTEN.fullmatch(text.strip().lower())
    if written is None or not written[0]:
        raise InvalidInput(f"{what} {text[:50]!r} is no span of time: write it like 30s, 5m, 1h30m")
    return timedelta(**{unit: int(number or 0) for unit, number in written.groupdict().items()})
