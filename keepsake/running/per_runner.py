"""What digests and trends share: a result for each runner and period, one runner at a time."""

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from keepsake.database import Connection
from keepsake.owners.owners import Owner
from keepsake.running.history import runners_between

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """What came of the runners of some periods: rows written, and the ids of those who failed."""

    runners: int
    rows: int
    failed: Sequence[int]


def for_each_runner(
    connection: Connection,
    start: date,
    end: date,
    make: Callable[[Owner], int],
) -> Made:
    """Call `make` for all who ran on the days [start, end). One that fails stops no other.

    Args:
        connection: the database.
        start: the first day of the runners' own calendars.
        end: the day after the last.
        make: makes and stores the results of one runner; returns how many rows.
    """
    runners = runners_between(connection, start, end)
    rows, failed = 0, []
    for owner in runners:
        try:
            rows += make(owner)
        except Exception as error:
            # Its text may hold what a person wrote: only its kind and place are logged.
            frames = "".join(traceback.format_tb(error.__traceback__))
            log.error("owner %d: %s\n%s", owner.id, type(error).__name__, frames)
            failed.append(owner.id)
    return Made(len(runners), rows, failed)
