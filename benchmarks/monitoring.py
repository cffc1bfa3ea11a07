"""How long figures take over HTTP where there are 1,000,000 records, and a month of counts.

Half of the records are those of one owner, whose figures are asked for, and those of the whole
system. One record in a hundred has failed in every step, one in a hundred is to be made in every
step. The client and the API share the machine.
"""

from collections.abc import Iterator
from itertools import product

import httpx
import numpy as np

from benchmarks.api import own_database, serving
from benchmarks.api_reads import fill, times
from benchmarks.results import Figure
from keepsake.accounts.tokens import create_token
from keepsake.database import Connection, connect
from keepsake.metrics.counts import Counts, Series
from keepsake.metrics.totals import SEPARATOR, add_now

REQUESTS = 40
TARGET = 200  # ms
LINES = ("family", "bookmarks", "running")
PLATFORMS = ("web", "youtube", "tiktok", "x", "instagram")
STEPS = ("pages", "media", "summaries", "keywords", "embeddings")
ADDRESSES = ("dashboard", "performance", "performance?hours=168", "errors", "queue", "resources")


def run() -> list[Figure]:
    """Fill a database of its own, and ask."""
    with own_database() as database_url:
        with connect(database_url) as db:
            owner_id = fill(db)
            _fill_counts(db, owner_id)
            tokens = {
                "an owner": create_token(db, "b", owner_id=owner_id, scopes=["read"])[0],
                "the system": create_token(db, "b", owner_id=None, scopes=[])[0],
            }
        with serving(database_url) as api:
            return [
                figure
                for whose, token in tokens.items()
                for figure in _measured(api.url, whose, token)
            ]


def _measured(url: str, whose: str, token: str) -> Iterator[Figure]:
    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60
    ) as client:
        for address in ADDRESSES:
            path = f"/api/monitoring/{address}"
            client.get(path)
            took = times(client, iter([path] * REQUESTS))
            p50, p95 = np.percentile(took, [50, 95])
            note = f"p50 {p50:.1f}, {REQUESTS} requests"
            yield Figure(f"{address} of {whose}: p95", float(p95), "ms", at_most=TARGET, note=note)


def _series() -> dict[Series, float]:
    """What work may count, in about 800 series."""
    counts = Counts()
    for line, status, platform in product(
        LINES, ("completed", "partial_success", "failed"), PLATFORMS
    ):
        counts.count("keepsake_records_total", line=line, status=status, platform=platform)
        for seconds in (0.5, 3, 8, 20, 45):
            counts.observe(
                "keepsake_record_duration_seconds",
                seconds,
                line=line,
                status=status,
                platform=platform,
            )
    for line, step, status in product(LINES, STEPS, ("succeeded", "failed", "deferred")):
        counts.count("keepsake_steps_total", line=line, step=step, status=status)
        for seconds in (0.2, 0.8, 1.5, 4, 8, 20):
            counts.observe(
                "keepsake_step_duration_seconds", seconds, line=line, step=step, status=status
            )
    for platform in PLATFORMS:
        counts.observe("keepsake_media_download_bytes", 3e7, platform=platform)
    return counts.values


def _fill_counts(db: Connection, owner_id: int) -> None:
    """A month of an owner's counts, snapshots of a year, totals, spending and jobs.

    Not all that an owner counts comes in every five minutes or hour: one series in eight, or three.
    """
    series = _series()
    add_now(db, _times(series, 100_000), run_id="run")
    rows = {
        "owner": owner_id,
        "metrics": [each.metric for each in series],
        "labels": [SEPARATOR.join(each.labels) for each in series],
    }
    db.execute("UPDATE migrations SET applied_at = now() - interval '1 year'")
    for statement in _ROWS:
        db.execute(statement.encode(), rows)
    db.execute("VACUUM ANALYZE")


def _times(series: dict[Series, float], by: float) -> Counts:
    counts = Counts()
    counts.values = {each: value * by for each, value in series.items()}
    return counts


_OF = "unnest(%(metrics)s::text[], %(labels)s::text[]) AS s(metric, labels)"
_ROWS = (
    "INSERT INTO owner_metrics (owner_id, at, metric, labels, value)"
    " SELECT %(owner)s, at, metric, labels, 1 FROM (SELECT generate_series("
    "  date_trunc('hour', now()) - interval '2 days', now(), interval '5 minutes') UNION ALL"
    "  SELECT generate_series(date_trunc('hour', now()) - interval '32 days',"
    "  now() - interval '2 days 1 hour', interval '1 hour')) AS buckets(at)"
    f" CROSS JOIN {_OF}"
    " WHERE abs(hashtext(metric || labels || at)) %% 100"
    "  < CASE WHEN at > now() - interval '2 days' THEN 12 ELSE 35 END ORDER BY at",
    "INSERT INTO metric_snapshots (at, totals)"
    " SELECT at, (SELECT jsonb_object_agg(metric, of_labels) FROM (SELECT metric,"
    "  jsonb_object_agg(labels, 100000 - extract(epoch FROM now() - at) / 1000) AS of_labels"
    f"  FROM {_OF} GROUP BY metric) AS m)"
    " FROM (SELECT generate_series(now() - interval '2 days', now(), interval '1 minute')"
    "  UNION ALL SELECT generate_series(now() - interval '60 days', now() - interval '2 days',"
    "  interval '1 hour') UNION ALL SELECT generate_series(now() - interval '365 days',"
    "  now() - interval '61 days', interval '1 day')) AS moments(at) ON CONFLICT DO NOTHING",
    "INSERT INTO spending (owner_id, day, line, step, model, calls, tokens_in, tokens_out, cost)"
    " SELECT o.id, (now() AT TIME ZONE 'UTC')::date - d, 'bookmarks', 'summaries', 'model ' || m,"
    " 10, 1000, 100, 0.01 FROM owners o, generate_series(0, 365) AS d, generate_series(1, 3) AS m",
    "INSERT INTO jobs (owner_id, type, executor, status, finished_at, attempt, remove_at)"
    " SELECT CASE WHEN n %% 2 = 0 THEN %(owner)s END, 'export_owner', 'internal', 'succeeded',"
    " now(), 1, now() FROM generate_series(1, 200000) AS n",
    "INSERT INTO jobs (owner_id, type, executor)"
    " SELECT CASE WHEN n %% 2 = 0 THEN %(owner)s END, 'export_owner', 'internal'"
    " FROM generate_series(1, 2000) AS n",
)
