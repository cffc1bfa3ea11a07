"""Totals: counts added to what was counted before, and read as their sums.

Adding belongs to the transaction of what is counted, as its last act but the commit: all who add
lock the same rows in the same order, after those of their own tables.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import LiteralString, NamedTuple
from zlib import crc32

from keepsake.database import AsyncConnection, Connection
from keepsake.metrics.counts import Counts, Series

SHARDS = 8
SEPARATOR = "\x1f"

_ADD: LiteralString = """
    INSERT INTO metric_totals AS t (metric, labels, shard, value, exemplar_run, exemplar,
                                    exemplar_at)
    SELECT metric, labels, %(shard)s, value, CASE WHEN seen IS NOT NULL THEN %(run)s END, seen,
           CASE WHEN seen IS NOT NULL THEN now() END
    FROM unnest(%(metrics)s::text[], %(labels)s::text[], %(values)s::float8[], %(seen)s::float8[])
         AS n(metric, labels, value, seen)
    ORDER BY metric, labels
    ON CONFLICT (metric, labels, shard) DO UPDATE SET value = t.value + excluded.value,
        exemplar_run = coalesce(excluded.exemplar_run, t.exemplar_run),
        exemplar = coalesce(excluded.exemplar, t.exemplar),
        exemplar_at = coalesce(excluded.exemplar_at, t.exemplar_at)
"""


class Total(NamedTuple):
    """What a series has come to, and since when it is counted."""

    value: float
    created_at: datetime


async def add(connection: AsyncConnection, counts: Counts, *, run_id: str = "") -> None:
    """Add counts to the totals.

    Args:
        connection: in the transaction of what is counted.
        counts: the increments.
        run_id: who counts: it chooses the shard, and is the exemplar of histograms.
    """
    if counts.values:
        await connection.execute(_ADD, _parameters(counts, run_id))


def add_now(connection: Connection, counts: Counts, *, run_id: str = "") -> None:
    """`add`, for a connection that is not asynchronous."""
    if counts.values:
        connection.execute(_ADD, _parameters(counts, run_id))


def _parameters(counts: Counts, run_id: str) -> dict[str, object]:
    of = list(counts.values)
    return {
        "shard": crc32(run_id.encode()) % SHARDS,
        "run": run_id or None,
        "metrics": [series.metric for series in of],
        "labels": [SEPARATOR.join(series.labels) for series in of],
        "values": list(counts.values.values()),
        "seen": [counts.seen.get(series) if run_id else None for series in of],
    }


async def totals(connection: AsyncConnection) -> Mapping[Series, Total]:
    """All that was counted, the sum over the shards."""
    cursor = await connection.execute(
        "SELECT metric, labels, sum(value), min(created_at) FROM metric_totals GROUP BY 1, 2"
    )
    return {
        Series(metric, tuple(labels.split(SEPARATOR))): Total(value, created_at)
        async for metric, labels, value, created_at in cursor
    }
