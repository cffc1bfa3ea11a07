"""Values of rules as people type them: `10 %`, `1h30m`, `5 GB`, `14`.

How they are written for people is `write_value`'s matter (`rules.py`).
"""

import re
from datetime import timedelta

from keepsake.errors import InvalidInput
from keepsake.monitoring.alerts.rules import Unit
from keepsake.text.durations import duration

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_SIZES = {"TB": 1e12, "GB": 1e9, "MB": 1e6, "KB": 1e3, "B": 1.0}
_HINTS: dict[Unit, str] = {
    "ratio": "write it like 10 % or 0.1",
    "seconds": "write it like 90s, 5m, 1h30m or 2d",
    "bytes": "write it like 500 MB or 20 GB",
    "days": "write it like 14",
    "number": "write it like 3",
}


def read_value(text: str, unit: Unit, what: str) -> float:
    """What a text means in a unit: a ratio of 1, seconds, bytes, days or a number.

    Raises:
        InvalidInput: it means nothing. The message begins with `what`.
    """
    said = text.strip()
    if _NUMBER.fullmatch(said):
        return float(said)
    number, ending = said[: -len(_ending(said)) or None].strip(), _ending(said).upper()
    if _NUMBER.fullmatch(number):
        if unit == "ratio" and ending == "%":
            return round(float(number) / 100, 12)
        if unit == "bytes" and ending in _SIZES:
            return float(number) * _SIZES[ending]
    if unit == "seconds":
        return read_seconds(said, what)
    raise InvalidInput(f"{what} {text[:50]!r} cannot be read: {_HINTS[unit]}")


def _ending(text: str) -> str:
    found = re.search(r"(%|[A-Za-z]+)$", text)
    return found[0] if found else ""


def read_seconds(text: str, what: str) -> int:
    """The whole seconds of a span of time.

    Raises:
        InvalidInput: it is none. The message begins with `what`.
    """
    return int(duration(text, what).total_seconds())


def type_value(value: float, unit: Unit) -> str:
    """A value as it is typed, so that `read_value` reads the same."""
    if unit == "ratio":
        return f"{value * 100:.12g} %"
    if unit == "seconds" and value == int(value) and value >= 0:
        return type_seconds(int(value))
    if unit == "bytes":
        name = next((name for name, size in _SIZES.items() if value >= size), "B")
        return f"{value / _SIZES[name]:.15g} {name}"
    return f"{value:.15g}"


def type_seconds(seconds: int) -> str:
    """A span as it is typed: `1h30m`."""
    rest = timedelta(seconds=seconds)
    parts = (
        (rest.days, "d"),
        (rest.seconds // 3600, "h"),
        (rest.seconds // 60 % 60, "m"),
        (rest.seconds % 60, "s"),
    )
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"
