"""How digests and trends appear in Dagster: what they are made from, their periods, their counts.

A partition names a week or month of the calendar, not a stretch of UTC: a run on Sunday at 23:30 in
New York is one of that week, though it is Monday in UTC. So the periods of a run's partitions are
taken from their names, and each runner's days from the runner's own time zone.
"""

from datetime import date

import dagster as dg

from keepsake.running.per_runner import Made

# This month has no partition of the next one to lean on yet, and a week may reach into it.
DEPS = [
    dg.AssetDep(
        name,
        partition_mapping=dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True),
    )
    for name in ("activities", "letters")
]


def periods_of(context: dg.AssetExecutionContext) -> list[date]:
    """The first days of the partitions of this run."""
    return [date.fromisoformat(key) for key in context.partition_keys]


def result(made: Made, what: str) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """The materialisation.

    Raises:
        Failure: some runners have none; the others have theirs.
    """
    metadata = {"runners": made.runners, "made": made.rows, "failed": len(made.failed)}
    if made.failed:
        raise dg.Failure(
            f"{len(made.failed)} of {made.runners} runners got no {what} (ids "
            f"{list(made.failed[:20])}); the others have theirs. Materialise the partitions again.",
            metadata={**metadata, "ids of failed runners": list(made.failed[:100])},
            allow_retries=False,
        )
    return dg.MaterializeResult(metadata={"dagster/row_count": made.rows, **metadata})
