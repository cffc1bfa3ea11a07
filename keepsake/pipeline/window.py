"""Which records of a line: those of a span of time, or some of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Window:
    """The records a run may take: those of `line` recorded in [start, end).

    `record_ids`: of those only these; None: all.
    """

    line: str
    start: datetime
    end: datetime
    record_ids: tuple[int, ...] | None = None

    @property
    def values(self) -> Mapping[str, Any]:
        """What SQL goes by."""
        ids = None if self.record_ids is None else list(self.record_ids)
        return {"line": self.line, "start": self.start, "end": self.end, "record_ids": ids}
