"""Days without records: reported to Dagster as made, with nothing in them.

Dagster cannot know that a partition has no records, and counts it as missing until it is
materialised. A run would cost a process, for a fact that the database has already. So a line's
sensor says it, a few partitions a tick, while nothing is due: from the oldest record to the last
partition that is over.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import dagster as dg

from assets.events import figures
from assets.partitions import unit_of
from keepsake.database import Connection
from keepsake.pipeline.ledger.states import StepState
from keepsake.pipeline.line import Line
from keepsake.pipeline.reports import StepReport
from keepsake.records.first_days import starts_with_records

AT_ONCE = 10  # partitions a tick: an event for each asset, about 10 ms to store, and work waits


def closed(partitions: dg.TimeWindowPartitionsDefinition) -> Sequence[str]:
    """The keys of the partitions that are over: all but the last."""
    return partitions.get_partition_keys()[:-1]


def empty_partitions(
    instance: dg.DagsterInstance,
    connection: Connection,
    line: Line,
    partitions: dg.TimeWindowPartitionsDefinition,
) -> list[dg.AssetMaterialization]:
    """Materialisations of the newest partitions that are over, empty, and missing in Dagster."""
    found = starts_with_records(connection, line.name, unit_of(partitions))
    starts = [day.isoformat() for day in found]
    if not starts:
        return []
    have_some = set(starts)
    empty = [key for key in closed(partitions) if key >= starts[0] and key not in have_some]
    nothing = {step.name: figures(step, StepState(), StepReport()) for step in line.steps}
    made = {
        step.name: instance.get_materialized_partitions(dg.AssetKey(step.name))
        for step in line.steps
    }

    def missing() -> Iterator[list[dg.AssetMaterialization]]:
        for key in reversed(empty):
            lacking = [name for name, keys in made.items() if key not in keys]
            if lacking:
                yield [
                    dg.AssetMaterialization(name, partition=key, metadata=nothing[name])
                    for name in lacking
                ]

    return [event for events in islice(missing(), AT_ONCE) for event in events]
