"""Reading totals in tests."""

from keepsake.database import Connection
from keepsake.metrics.totals import SEPARATOR


def total(db: Connection, metric: str) -> dict[tuple[str, ...], float]:
    """What a metric has come to, by its labels. A histogram is read by `_bucket` or `_sum`."""
    rows = db.execute(
        "SELECT labels, sum(value) FROM metric_totals WHERE metric = %s GROUP BY labels", (metric,)
    ).fetchall()
    return {tuple(labels.split(SEPARATOR)): value for labels, value in rows}


def times(db: Connection, metric: str) -> dict[tuple[str, ...], float]:
    """How many values a histogram has got, by its labels."""
    found: dict[tuple[str, ...], float] = {}
    for (*labels, _), value in total(db, f"{metric}_bucket").items():
        found[tuple(labels)] = found.get(tuple(labels), 0) + value
    return found
