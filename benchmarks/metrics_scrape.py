"""How long a scrape of `/metrics` takes where there are 1,000,000 records and 5,000 series.

Every series is in all shards. Scrapes are further apart than an answer is shared.
The client and the API share the machine.
"""

import time
from collections.abc import Sequence
from itertools import product

import httpx
import numpy as np

from benchmarks.api import own_database, serving
from benchmarks.api_reads import fill
from benchmarks.results import Figure
from keepsake.accounts.tokens import create_token
from keepsake.database import Connection, connect
from keepsake.metrics.catalogue import METRICS
from keepsake.metrics.counts import Counts
from keepsake.metrics.totals import SHARDS, add_now
from keepsake.monitoring.exposition import OPENMETRICS, SHARED_SECONDS, TEXT

SCRAPES = 30
TARGET = 100  # ms
VALUES = {"route": 150, "method": 2, "step": 5, "error_type": 8, "model": 4, "platform": 5}
OTHERS = 3  # values of any other label


def run() -> list[Figure]:
    """Fill a database of its own, and scrape."""
    with own_database() as database_url, connect(database_url) as db:
        fill(db)
        _fill_totals(db)
        token, _ = create_token(db, "benchmark", owner_id=None, scopes=[])
        with serving(database_url) as api:
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=api.url, headers=headers, timeout=60) as client:
                before = _read_through(db)
                return [
                    _figure("a scrape as text", *_times(client, TEXT)),
                    _figure("a scrape as OpenMetrics", *_times(client, OPENMETRICS)),
                    Figure(
                        "times the ledger was read through",
                        _read_through(db) - before,
                        "",
                        at_most=0,
                    ),
                ]


def _figure(name: str, times: Sequence[float], lines: int) -> Figure:
    p50, p95 = np.percentile(times, [50, 95])
    note = f"p50 {p50:.1f}, {len(times)} scrapes of {lines:,} lines"
    return Figure(f"{name}: p95", float(p95), "ms", at_most=TARGET, note=note)


def _times(client: httpx.Client, content_type: str) -> tuple[list[float], int]:
    """Milliseconds of each scrape, and the lines of the last."""
    times = []
    for _ in range(SCRAPES):
        time.sleep(1.1 * SHARED_SECONDS)
        began = time.perf_counter()
        answer = client.get("/metrics", headers={"Accept": content_type})
        times.append(1000 * (time.perf_counter() - began))
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == content_type
    return times, answer.text.count("\n")


def _read_through(db: Connection) -> int:
    row = db.execute("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'ledger'").fetchone()
    return int(row[0]) if row else 0


def _fill_totals(db: Connection) -> None:
    """Count everything that can be counted, in every bucket and shard."""
    counts = Counts()
    for metric in METRICS.values():
        values = [range(VALUES.get(label, OTHERS)) for label in metric.labels]
        for numbers in product(*values):
            labels = {
                label: f"{label} {n}" for label, n in zip(metric.labels, numbers, strict=True)
            }
            if metric.kind == "counter":
                counts.count(metric.name, 1, **labels)
            for bound in metric.buckets:
                counts.observe(metric.name, bound, **labels)
    add_now(db, counts, run_id="run")
    db.execute(  # one connection counts in one shard
        "INSERT INTO metric_totals (metric, labels, shard, value, exemplar_run, exemplar,"
        " exemplar_at) SELECT metric, labels, (shard + n) %% %(shards)s, value, exemplar_run,"
        " exemplar, exemplar_at FROM metric_totals, generate_series(1, %(shards)s - 1) AS n"
        " ON CONFLICT DO NOTHING",
        {"shards": SHARDS},
    )
    db.execute("VACUUM ANALYZE metric_totals")
