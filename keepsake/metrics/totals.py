"""Totals: counts added to what was counted before, and read as their sums.

Adding belongs to the transaction of what is counted, as its last act but the commit: all who add
lock the same rows in the same order, after those of their own tables.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import LiteralString, NamedTuple

from keepsake.database import AsyncConnection, Connection
from keepsake.metrics.counts import Counts, Series

SHARDS = 8
SEPARATOR = "\x1f"

# What the pages and alerts of an owner look at.
OF_OWNERS = frozenset(
    [
        "keepsake_records_total",
        "keepsake_record_duration_seconds",
        "keepsake_steps_total",
        "keepsake_step_duration_seconds",
        "keepsake_step_errors_total",
        "keepsake_media_download_bytes",
    ]
)
_ROWS_OF_OWNERS = {name + part for name in OF_OWNERS for part in ("", "_bucket", "_sum")}

_ADD: LiteralString = """
    SELECT add_to_totals(%(owners)s::bigint[], %(metrics)s::text[], %(labels)s::text[],
                         %(values)s::float8[], %(seen)s::float8[], %(run)s::text, %(shards)s)
"""


class Total(NamedTuple):
    """What a series has come to, and since when it is counted."""

    value: float
    created_at: datetime


class Exemplar(NamedTuple):
    """What a bucket has seen last, in which run and when."""

    run_id: str
    value: float
    at: datetime


async def add(
    connection: AsyncConnection,
    counts: Counts,
    *,
    run_id: str = "",
    of_owners: Mapping[int, Counts] = MappingProxyType({}),
) -> None:
    """Add counts to the totals.

    Args:
        connection: in the transaction of what is counted.
        counts: the increments.
        run_id: who counts: the exemplar of histograms.
        of_owners: the part of the increments that is an owner's, by its id. Of these, the metrics
            in `OF_OWNERS` are kept by owner too.
    """
    if counts.values:
        await connection.execute(_ADD, _parameters(counts, run_id, of_owners))


def add_now(connection: Connection, counts: Counts, *, run_id: str = "") -> None:
    """`add`, for a connection that is not asynchronous."""
    if counts.values:
        connection.execute(_ADD, _parameters(counts, run_id, {}))


def _parameters(counts: Counts, run_id: str, of_owners: Mapping[int, Counts]) -> dict[str, object]:
    rows = [
        (None, series, value, counts.seen.get(series) if run_id else None)
        for series, value in counts.values.items()
    ] + [
        (owner_id, series, value, None)
        for owner_id, theirs in of_owners.items()
        for series, value in theirs.values.items()
        if series.metric in _ROWS_OF_OWNERS
    ]
    owners, of, values, seen = zip(*rows, strict=True)
    return {
        "owners": list(owners),
        "metrics": [series.metric for series in of],
        "labels": [SEPARATOR.join(series.labels) for series in of],
        "values": list(values),
        "seen": list(seen),
        "run": run_id or None,
        "shards": SHARDS,
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


async def exemplars(connection: AsyncConnection) -> Mapping[Series, Exemplar]:
    """The exemplars of the buckets that have one."""
    cursor = await connection.execute(
        """
        SELECT DISTINCT ON (metric, labels) metric, labels, exemplar_run, exemplar, exemplar_at
        FROM metric_totals WHERE exemplar_run IS NOT NULL
        ORDER BY metric, labels, exemplar_at DESC
        """
    )
    return {
        Series(metric, tuple(labels.split(SEPARATOR))): Exemplar(*seen)
        async for metric, labels, *seen in cursor
    }
