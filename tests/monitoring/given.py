"""What a test of figures begins with: counts of the past, of an owner and in snapshots."""

import json
from collections.abc import Mapping
from datetime import datetime

from keepsake.database import Connection
from keepsake.metrics.counts import Counts, Series
from keepsake.metrics.totals import SEPARATOR, add_now


def given_counting_since(db: Connection, moment: datetime) -> None:
    """Let the figures exist since then."""
    db.execute("UPDATE migrations SET applied_at = %s WHERE name = 'metrics'", (moment,))


def given_owner_counts(db: Connection, owner_id: int, at: datetime, counts: Counts) -> None:
    """Counts of an owner in the five minutes that began at `at`."""
    db.cursor().executemany(
        "INSERT INTO owner_metrics VALUES (%s, %s, %s, %s, %s)",
        [
            (owner_id, at, series.metric, SEPARATOR.join(series.labels), value)
            for series, value in counts.values.items()
        ],
    )


def given_snapshot(db: Connection, at: datetime, values: Mapping[Series, float]) -> None:
    """Totals as they were then."""
    totals: dict[str, dict[str, float]] = {}
    for series, value in values.items():
        totals.setdefault(series.metric, {})[SEPARATOR.join(series.labels)] = value
    db.execute("INSERT INTO metric_snapshots VALUES (%s, %s)", (at, json.dumps(totals)))


def given_totals(db: Connection, counts: Counts) -> None:
    """Totals as they are now."""
    add_now(db, counts, run_id="run")


def records_ended(status: str, number: int = 1, *, seconds: float = 4, line: str = "x") -> Counts:
    """Counts of records that came to their end."""
    counts = Counts()
    for _ in range(number):
        counts.count("keepsake_records_total", line=line, status=status, platform="")
        counts.observe(
            "keepsake_record_duration_seconds", seconds, line=line, status=status, platform=""
        )
    return counts
