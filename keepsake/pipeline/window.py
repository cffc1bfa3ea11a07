"""Which records of a line: those of a span of time."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Window:
    """The records a run may take: those of `line` recorded in [start, end)."""

    line: str
    start: datetime
    end: datetime
