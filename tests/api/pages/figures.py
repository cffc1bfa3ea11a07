"""A day of figures for pages to show: three lines, errors, a queue, money and an alert."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from keepsake.metrics.counts import Counts, Series
from keepsake.owners.budgets import set_budget
from tests.api.conftest import Door
from tests.given import on_connection
from tests.monitoring.given import (
    given_counting_since,
    given_owner_counts,
    given_snapshot,
    given_totals,
)

from .shelf_and_journal import failed, given_bookmark

HOURS = 30
HOUR = timedelta(hours=1)
_STEPS = {  # and how long they take
    ("bookmarks", "pages"): 0.8,
    ("bookmarks", "summaries"): 6.0,
    ("bookmarks", "media"): 31.0,
    ("family", "transcripts"): 14.0,
    ("family", "stories"): 22.0,
    ("running", "letters"): 4.0,
}
_LINES = {"bookmarks": (40, 36.0), "family": (9, 70.0), "running": (14, 8.0)}
REFUSED = "the server refuses us (HTTP 403): it wants a sign-in"
QUOTA = "the project's quota of tokens a day is used up: see MODEL_BUDGET"


def given_busy_day(site: Door) -> None:
    """A day and a bit of work for the Marlows and the Others, which ended a moment ago."""
    now = datetime.now(UTC)
    first = now.replace(minute=0, second=0, microsecond=0) - HOURS * HOUR
    given_counting_since(site.db, first)
    so_far: dict[Series, float] = {}
    totals = Counts()
    for at, counts in enumerate(_hours(Random(11), now.minute / 60)):
        given_snapshot(site.db, first + at * HOUR, so_far)
        given_owner_counts(site.db, site.marlows.id, first + at * HOUR, counts)
        totals.merge(counts)
        so_far = dict(totals.values)
    given_totals(site.db, totals)
    _given_failures(site)
    _given_money(site, now)


def _hours(random: Random, last: float) -> Iterator[Counts]:
    """What was counted in each hour; in one nothing, and of the last a part is over."""
    for at in range(HOURS + 1):
        counts = Counts()
        busy = 0.0 if at == 9 else 1.1 + math.sin(at / 4)
        if at == HOURS:
            busy *= last
        for line, (records, seconds) in _LINES.items():
            for _ in range(round(records * busy)):
                _count_record(counts, random, line, seconds, rough=at in (16, 17))
        yield counts


def _count_record(
    counts: Counts, random: Random, line: str, seconds: float, *, rough: bool
) -> None:
    bad = random.random()
    status = "failed" if bad < (0.3 if rough else 0.02) else "completed"
    if status == "completed" and bad > 0.96:
        status = "partial_success"
    platform = random.choice(["URL", "X", "YOUTUBE"]) if line == "bookmarks" else ""
    labels = {"line": line, "status": status, "platform": platform}
    counts.count("keepsake_records_total", **labels)
    counts.observe(
        "keepsake_record_duration_seconds", seconds * random.lognormvariate(0, 0.7), **labels
    )
    for (of, step), takes in _STEPS.items():
        if of == line:
            how = "failed" if status == "failed" and step != "pages" else "succeeded"
            counts.count("keepsake_steps_total", line=line, step=step, status=how)
            counts.observe(
                "keepsake_step_duration_seconds",
                takes * random.lognormvariate(0, 0.6),
                line=line,
                step=step,
                status=how,
            )
    if platform == "YOUTUBE":
        counts.observe(
            "keepsake_media_download_bytes", random.lognormvariate(17, 1), platform=platform
        )


def _given_failures(site: Door) -> None:
    """Of the Marlows' bookmarks: five failed in two ways, some wait, one is in work."""
    for at in range(5):
        record = given_bookmark(site, f"https://a.example/failed/{at}", title=f"Failed {at}")
        if at < 3:
            failed(site.db, record, "keywords", REFUSED)
        else:
            failed(site.db, record, "summaries", QUOTA, error_type="BudgetSpent")
    for at in range(4):
        given_bookmark(site, f"https://a.example/waiting/{at}")
    site.db.execute(
        "UPDATE ledger SET due_at = now() - make_interval(mins => 7) WHERE due_at IS NOT NULL"
    )
    site.db.execute(
        "UPDATE ledger SET status = 'running', run_id = 'a run' WHERE step = 'pages' AND record_id"
        " = (SELECT max(id) FROM records)"
    )


def _given_money(site: Door, now: datetime) -> None:
    """What two models have cost the Marlows this month and before, and room that is used."""
    for at in range(24):
        site.db.execute(
            "INSERT INTO spending (owner_id, day, line, step, model, calls, tokens_in, tokens_out,"
            " cost) VALUES (%(owner)s, %(day)s, 'bookmarks', 'summaries', 'gpt-4o-mini', 120,"
            " %(tokens)s, %(tokens)s / 6, %(cost)s),"
            " (%(owner)s, %(day)s, 'family', 'stories', 'qwen-local', 9, 4000, 900, NULL)",
            {
                "owner": site.marlows.id,
                "day": (now - timedelta(days=at)).date(),
                "tokens": 90_000 + 7_000 * (at * 5 % 7),
                "cost": 0.25 + 0.06 * (at * 5 % 7),
            },
        )
    on_connection(site.db, set_budget, site.marlows.id, Decimal(12))
    site.db.execute(
        "INSERT INTO probes (metric, labels, value) VALUES ('keepsake_object_store_bytes', '',"
        " 41.2e9), ('keepsake_object_store_quota_bytes', '', 50e9)"
    )


def given_alert(site: Door, owner_id: int | None, detail: str) -> None:
    """An alert that fires: the failure rate, of an owner or of the whole system."""
    site.db.execute(
        """
        WITH rule AS (
            INSERT INTO alert_rules (owner_id, name, metric, threshold, severity)
            VALUES (%(owner)s, 'Many fail', 'failure_rate', 0.1, 'high') RETURNING id
        )
        INSERT INTO alerts (owner_id, rule_id, state, value, detail, since, fired_at)
        SELECT %(owner)s, id, 'firing', 0.31, %(detail)s, now(), now() FROM rule
        """,
        {"owner": owner_id, "detail": detail},
    )
