"""Reading the logs of the parts that `keepsake up` runs, or ran the last time."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from keepsake.errors import InvalidInput
from keepsake.settings import HomeSettings

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # Dagster's own lines have them, also in a file
_BLOCK = 64 * 1024  # bytes that are read at once from the end


@dataclass(frozen=True)
class PartLog:
    """A log: whose it is, where it is, and when it was written to."""

    part: str
    file: Path
    bytes: int
    written_at: datetime


def part_logs(settings: HomeSettings) -> list[PartLog]:
    """The logs that there are, by name."""
    found = [(file, file.stat()) for file in settings.logs_folder.glob("*.log")]
    return sorted(
        (
            PartLog(file.stem, file, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))
            for file, stat in found
        ),
        key=lambda log: log.part.lower(),
    )


def find_log(settings: HomeSettings, part: str) -> PartLog:
    """The log of a part: `code-server`, `code server`, `Code-Server`.

    Raises:
        InvalidInput: there is none; the message lists those there are.
    """
    logs = part_logs(settings)
    name = part.strip().replace(" ", "-").lower()
    for log in logs:
        if log.part.lower() == name:
            return log
    if not logs:
        raise InvalidInput(
            f"there are no logs in {settings.logs_folder}: `keepsake up` writes them"
        )
    raise InvalidInput(
        f"there is no log of {part[:100]!r} (known: {', '.join(log.part for log in logs)})"
    )


def last_lines(file: Path, count: int) -> list[str]:
    """The last lines of a file, however long it is."""
    with file.open("rb") as log:
        start = log.seek(0, 2)
        end = b""
        while start > 0 and end.count(b"\n") <= count:
            step = min(_BLOCK, start)
            start = log.seek(start - step)
            end = log.read(step) + end
    return [_text(line) for line in end.splitlines()[-count:]]


class Following:
    """What is written to a log from now on; also when `keepsake up` has begun it again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._position = file.stat().st_size
        self._begun = b""

    def new_lines(self) -> Iterator[str]:
        """The lines that were completed since the last look."""
        with self._file.open("rb") as log:
            if log.seek(0, 2) < self._position:
                self._position, self._begun = 0, b""
            log.seek(self._position)
            *whole, self._begun = (self._begun + log.read()).split(b"\n")
            self._position = log.tell()
        for line in whole:
            yield _text(line)


def _text(line: bytes) -> str:
    return _COLOURS.sub("", line.decode(errors="replace"))
