"""Gauges: how things stand over all owners, read from the database when somebody asks.

A part of them is one statement, which uses indexes: none reads the ledger, or all jobs. What is
counted as it happens is in `keepsake/metrics/`; what is measured from outside, such as the size of
the object store, is in the table `probes` and only passed on here.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from time import monotonic
from typing import LiteralString, TypeVar

import psycopg

from keepsake.database import AsyncConnection
from keepsake.jobs.rows import WORKER_LOCKS
from keepsake.metrics.counts import Series
from keepsake.metrics.totals import SEPARATOR
from keepsake.pipeline.ledger.claims import RECORD_LOCKS

Readings = Mapping[Series, float]

T = TypeVar("T")
log = logging.getLogger(__name__)

# A part waits neither for a migration's lock nor for a database that is too busy.
_BOUNDS: LiteralString = "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '5s'"


@dataclass(frozen=True)
class Part:
    """Gauges that are read together.

    Attributes:
        name: as `keepsake_probe_success` names it.
        sql: gives rows of a metric's name, its label values and a value.
        kept_seconds: for how long a reading is used again.
    """

    name: str
    sql: LiteralString
    kept_seconds: float = 0


# A row that is due stays so while a run has it in work, and its status is in no index.
_QUEUE: LiteralString = """
    WITH lines AS (SELECT DISTINCT line FROM steps)
    SELECT 'keepsake_queue_steps', ARRAY[s.line, s.name], coalesce(due.count, 0)::float8
    FROM steps s
    LEFT JOIN (SELECT lines.line, of.* FROM lines CROSS JOIN LATERAL (
                   SELECT step, count(*) FROM ledger l
                   WHERE l.line = lines.line AND due_at <= now() GROUP BY step) AS of) AS due
           ON due.line = s.line AND due.step = s.name
    UNION ALL
    SELECT 'keepsake_queue_oldest_age_seconds', ARRAY[line], coalesce(extract(epoch FROM now() - (
               SELECT min(due_at) FROM ledger l WHERE l.line = lines.line AND due_at <= now()
           )), 0)::float8
    FROM lines
"""
_FAILED: LiteralString = """
    SELECT 'keepsake_steps_failed', ARRAY[s.line, s.name], coalesce(failed.count, 0)::float8
    FROM steps s
    LEFT JOIN (SELECT line, step, count(*) FROM ledger WHERE status = 'failed' GROUP BY line, step)
           AS failed ON failed.line = s.line AND failed.step = s.name
"""
# Runs and workers hold advisory locks as long as they live: a row may say `running` for longer.
_AT_WORK: LiteralString = """
    WITH locks AS MATERIALIZED (
        SELECT (classid::bigint << 32) + objid::bigint AS key FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND database =
            (SELECT oid FROM pg_database WHERE datname = current_database())
    )
    SELECT 'keepsake_records_active', ARRAY[lines.line], count(r.id)::float8
    FROM (SELECT DISTINCT line FROM steps) AS lines
    LEFT JOIN (locks JOIN records r ON r.id = key - %(record_locks)s) ON r.line = lines.line
    GROUP BY lines.line
    UNION ALL
    SELECT 'keepsake_workers', '{}'::text[], count(*)::float8 FROM locks
    WHERE key > %(worker_locks)s AND key < %(record_locks)s
"""
_JOBS: LiteralString = """
    WITH open AS MATERIALIZED (
        SELECT type, status, count(*), min(due_at) FROM jobs
        WHERE status IN ('pending', 'running') GROUP BY type, status
    )
    SELECT 'keepsake_jobs', ARRAY[type, status], count::float8 FROM open
    UNION ALL
    SELECT 'keepsake_jobs_oldest_pending_age_seconds', ARRAY[type],
           greatest(extract(epoch FROM now() - min), 0)::float8
    FROM open WHERE status = 'pending'
"""
_WEBHOOKS: LiteralString = """
    SELECT 'keepsake_webhook_endpoints', ARRAY[of.state], count(e.id)::float8
    FROM (VALUES ('active', false), ('disabled', true)) AS of (state, disabled)
    LEFT JOIN webhook_endpoints e ON (e.disabled_at IS NOT NULL) = of.disabled
    GROUP BY of.state
"""
# 0.5 s for 10,000 owners of whom each spends every third day: so once a minute.
_MONEY: LiteralString = """
    SELECT 'keepsake_month_spent_usd', ARRAY[lines.line], coalesce(sum(cost), 0)::float8
    FROM (SELECT DISTINCT line FROM steps) AS lines
    LEFT JOIN spending s ON s.line = lines.line
         AND day >= date_trunc('month', now() AT TIME ZONE 'UTC')::date
    GROUP BY lines.line
    UNION ALL
    SELECT 'keepsake_budgets', ARRAY[of.state], count(b.state)::float8
    FROM (VALUES ('within'), ('near'), ('spent')) AS of (state)
    LEFT JOIN (SELECT CASE WHEN known >= budget THEN 'spent' WHEN known >= 0.8 * budget THEN 'near'
                           ELSE 'within' END AS state
               FROM owner_budgets WHERE budget IS NOT NULL) AS b ON b.state = of.state
    GROUP BY of.state
"""
_DATABASE: LiteralString = """
    SELECT 'keepsake_database_bytes', '{}'::text[], pg_database_size(current_database())::float8
"""
_ALERTS: LiteralString = """
    SELECT 'keepsake_alerts', ARRAY[severity, state], count(a.id)::float8
    FROM (VALUES ('critical'), ('high'), ('medium'), ('low')) AS severities (severity)
    CROSS JOIN (VALUES ('pending'), ('firing')) AS states (state)
    LEFT JOIN (SELECT r.severity, state, a.id FROM alerts a JOIN alert_rules r ON r.id = a.rule_id
               WHERE state <> 'resolved') AS a USING (severity, state)
    GROUP BY severity, state
"""
# What `probes.py` measured. A success holds until its time is over, and an age goes on meanwhile.
_PROBES: LiteralString = """
    SELECT metric, string_to_array(labels, %(separator)s),
           CASE WHEN metric = 'keepsake_probe_success'
                    THEN coalesce(value, 0) * (coalesce(valid_until > now(), true))::int
                WHEN metric LIKE '%%\\_age\\_seconds'
                    THEN value + extract(epoch FROM now() - measured_at)
                ELSE value END
    FROM probes WHERE value IS NOT NULL OR metric = 'keepsake_probe_success'
"""
PARTS = (
    Part("queue", _QUEUE),
    Part("failed", _FAILED),
    Part("work", _AT_WORK),
    Part("jobs", _JOBS),
    Part("webhooks", _WEBHOOKS),
    Part("money", _MONEY, kept_seconds=60),
    Part("database", _DATABASE),
    Part("alerts", _ALERTS),
    Part("probes", _PROBES),
)

VALUES = {
    "record_locks": RECORD_LOCKS,
    "worker_locks": WORKER_LOCKS,
    "separator": SEPARATOR,
}


class Gauges:
    """Reads the gauges; keeps, for a while, those that take long to read."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Readings]] = {}

    async def read(self, connection: AsyncConnection) -> Readings:
        """All gauges, as they stand in the transaction that `connection` is in.

        A part that cannot be read is left out: `keepsake_probe_success` says which.

        Raises:
            psycopg.OperationalError: the connection broke.
        """
        await connection.execute(_BOUNDS, prepare=False)  # two statements
        found = {Series("keepsake_build_info", (version("keepsake"),)): 1.0}
        for part in PARTS:
            readings = await self._read(connection, part)
            found |= {**(readings or {}), **succeeded(part.name, readings)}
        return found

    async def _read(self, connection: AsyncConnection, part: Part) -> Readings | None:
        at, kept = self._kept.get(part.name, (-math.inf, None))
        if kept is not None and monotonic() - at < part.kept_seconds:
            return kept
        readings = await attempt(connection, part.name, partial(read_part, part=part))
        if readings is not None and part.kept_seconds:
            self._kept[part.name] = (monotonic(), readings)
        return readings


async def read_part(connection: AsyncConnection, part: Part) -> Readings:
    """What one part reads.

    Raises:
        psycopg.Error: it cannot be read.
    """
    cursor = await connection.execute(part.sql, VALUES)
    return {Series(metric, tuple(labels)): float(value) async for metric, labels, value in cursor}


async def attempt(
    connection: AsyncConnection, name: str, read: Callable[[AsyncConnection], Awaitable[T]]
) -> T | None:
    """What `read` reads; None: it failed, and the transaction goes on without it.

    Raises:
        psycopg.OperationalError: the connection broke.
    """
    try:
        async with connection.transaction():
            return await read(connection)
    except psycopg.Error as error:
        if connection.broken:
            raise
        log.warning("no figures of %s (%s)", name, type(error).__name__)
        return None


def succeeded(name: str, readings: object) -> Readings:
    """Whether a part could be read, as a gauge."""
    return {Series("keepsake_probe_success", (name,)): float(readings is not None)}
