"""Lengths and moments as people write them."""

from datetime import date, datetime


def clock(seconds: float) -> str:
    """`4:51`, `1:02:13`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def day(moment: date) -> str:
    """A day as people write it: `4 May 2026`."""
    return f"{moment.day} {moment:%B %Y}"


def when(moment: datetime) -> str:
    """A moment as people write it: `4 May 2026, 12:30 UTC`."""
    return f"{day(moment)}, {moment:%H:%M} UTC"
