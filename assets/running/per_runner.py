"""What digests and trends share: a result for each runner and period, one runner at a time.

A partition names a week or month of the calendar, not a stretch of UTC: a run on Sunday at 23:30 in
New York is one of that week, though it is Monday in UTC. So the periods of a run's partitions are
taken from their names, and each runner's days from the runner's own time zone.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from keepsake.database import Connection
from keepsake.owners.owners import Owner
from keepsake.running.history import runners_between

# This month has no partition of the next one to lean on yet, and a week may reach into it.
DEPS = [
    dg.AssetDep(
        name,
        partition_mapping=dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True),
    )
    for name in ("activities", "letters")
]


@dataclass(frozen=True)
class Made:
    """What came of the runners of some periods: rows written, and the ids of those who failed."""

    runners: int
    rows: int
    failed: Sequence[int]


def periods_of(context: dg.AssetExecutionContext) -> list[date]:
    """The first days of the partitions of this run."""
    return [date.fromisoformat(key) for key in context.partition_keys]


def for_each_runner(
    context: dg.AssetExecutionContext,
    connection: Connection,
    start: date,
    end: date,
    make: Callable[[Owner], int],
) -> Made:
    """Call `make` for all who ran on the days [start, end). One that fails stops no other."""
    runners = runners_between(connection, start, end)
    rows, failed = 0, []
    for owner in runners:
        try:
            rows += make(owner)
        except Exception as error:
            # Its text may hold what a person wrote: only its kind and place are told.
            frames = "".join(traceback.format_tb(error.__traceback__))
            context.log.error(f"owner {owner.id}: {type(error).__name__}\n{frames}")
            failed.append(owner.id)
    return Made(len(runners), rows, failed)


def result(made: Made, what: str) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """The materialisation.

    Raises:
        Failure: some runners have none; the others have theirs.
    """
    metadata = {"runners": made.runners, what: made.rows, "failed": len(made.failed)}
    if made.failed:
        raise dg.Failure(
            f"{len(made.failed)} of {made.runners} runners got no {what} (ids "
            f"{list(made.failed[:20])}); the others have theirs. Materialise the partitions again.",
            metadata={**metadata, "ids of failed runners": list(made.failed[:100])},
            allow_retries=False,
        )
    return dg.MaterializeResult(metadata={"dagster/row_count": made.rows, **metadata})
