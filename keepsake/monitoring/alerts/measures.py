"""Measures: what each metric of rules is now, as readings by subject.

A measure is a statement or two that use indexes, or a look at what probes found; none asks anything
but the database. A measure of the whole system that has several causes gives one reading and names
them in its detail, so that one failure is one alert.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, LiteralString

from keepsake.database import AsyncConnection
from keepsake.jobs.rows import WORKER_LOCKS, WORKER_NAMES
from keepsake.metrics.totals import SEPARATOR
from keepsake.monitoring import probes
from keepsake.monitoring.alerts.rules import Metric, Rule, write_value
from keepsake.monitoring.alerts.states import Reading
from keepsake.monitoring.windows import FINEST, Window, window

HEARTBEAT_SECONDS = 150  # a living daemon's last heartbeat may be 55 s old
TICK_SECONDS = 45  # by then some sensor's tick has ended: the lines' take 25 s at most
STUCK_SECONDS = 600  # by then one of each has
_NAMED = 5  # causes that a detail names

# How long our own tokens must hold for their end to be worth a word.
_LASTING = timedelta(days=30)


@dataclass(frozen=True)
class Asked:
    """What is to be measured.

    Attributes:
        owner_id: of whom; None: of the whole system.
        window: how far back.
        settling: whether Keepsake has started just now: what starts with it may not be up yet.
    """

    owner_id: int | None
    window: timedelta
    settling: bool = False


class NotYet(Exception):
    """There is nothing to say yet: what was known stays as it is."""


async def measure(
    connection: AsyncConnection, rule: Rule, *, settling: bool = False
) -> Sequence[Reading]:
    """What a rule's metric is now, of each of its subjects.

    Raises:
        NotYet: it is too early to say.
        psycopg.Error: it cannot be measured.
    """
    seconds = timedelta(seconds=rule.window_seconds)
    return await MEASURES[rule.metric](connection, Asked(rule.owner_id, seconds, settling))


# -- what was counted -----------------------------------------------------------------------------


async def _counted(connection: AsyncConnection, asked: Asked, metric: str) -> Window:
    """What came in the window. An owner's figures are kept by five minutes, so it may be longer."""
    cursor = await connection.execute(
        "SELECT CASE WHEN %(owned)s THEN date_bin(%(finest)s, at, 'epoch') ELSE at END"
        " FROM (SELECT now() - %(window)s AS at) AS since",
        {"owned": asked.owner_id is not None, "finest": FINEST, "window": asked.window},
    )
    ((since,),) = await cursor.fetchall()
    return await window(connection, since, [metric], owner_id=asked.owner_id)


async def _failure_rate(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    counted = await _counted(connection, asked, "keepsake_records_total")
    ended = counted.total("keepsake_records_total")
    failed = counted.total("keepsake_records_total", status="failed")
    detail = f"{failed:,.0f} of {ended:,.0f}"
    return [Reading("", failed / ended if ended else None, ended, detail)]


async def _records_failed(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    counted = await _counted(connection, asked, "keepsake_records_total")
    failed = counted.total("keepsake_records_total", status="failed")
    return [Reading("", failed, failed)]


async def _unpriced_calls(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    name = "keepsake_model_unpriced_calls_total"
    counted = await _counted(connection, asked, name)
    return [Reading(of["model"], calls, calls) for of, calls in counted.select(name)]


async def _webhook_failures(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    name = "keepsake_webhook_attempts_total"
    counted = await _counted(connection, asked, name)
    total = counted.total(name)
    failed = total - counted.total(name, outcome="delivered")
    return [Reading("", failed, total, f"of {total:,.0f} attempts")]


# -- how things are -------------------------------------------------------------------------------


async def _queue_oldest_age(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    """Imported history is left out: it has low priority, and takes as long as it takes.

    Where a line has more of it than is looked at, what came in after it is not seen.
    """
    by_line = await _rows(
        connection,
        """
        SELECT lines.line, extract(epoch FROM now() - (
            SELECT min(due_at) FROM (
                SELECT due_at, record_id FROM ledger l
                WHERE l.line = lines.line AND l.due_at <= now()
                  AND (%(owner)s::bigint IS NULL OR l.owner_id = %(owner)s)
                ORDER BY l.due_at LIMIT 20000) AS oldest
            JOIN records r ON r.id = oldest.record_id AND r.priority >= 0))::float8
        FROM (SELECT DISTINCT line FROM steps) AS lines
        """,
        asked,
    )
    ages = {line: age for line, age in by_line if age is not None}
    detail = _named({line: write_value(age, "seconds") for line, age in ages.items()})
    return [Reading("", max(ages.values(), default=None), len(ages), detail)]


async def _queue_depth(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    by_line = await _rows(
        connection,
        "SELECT line, count(*)::float8 FROM ledger WHERE due_at <= now()"
        " AND (%(owner)s::bigint IS NULL OR owner_id = %(owner)s) GROUP BY line ORDER BY line",
        asked,
    )
    depth = sum(count for _, count in by_line)
    return [Reading("", depth, depth, _named({line: f"{count:,.0f}" for line, count in by_line}))]


async def _budget_spent_ratio(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    by_owner = await _rows(
        connection,
        "SELECT owner_id, (known / budget)::float8 FROM owner_budgets"
        " WHERE budget > 0 AND known > 0 AND (%(owner)s::bigint IS NULL OR owner_id = %(owner)s)",
        asked,
    )
    if asked.owner_id is not None:
        return [Reading("", ratio, 1) for _, ratio in by_owner]
    return [Reading(f"owner {owner_id}", ratio, 1) for owner_id, ratio in by_owner]


async def _endpoint_failures(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    by_step = await _rows(
        connection,
        "SELECT step, count(*)::float8 FROM ledger"
        " WHERE due_at IS NOT NULL AND error_type IN ('EndpointDown', 'Unreachable')"
        " GROUP BY step ORDER BY 2 DESC, 1",
        asked,
    )
    put_off = sum(count for _, count in by_step)
    detail = _named({step: f"{count:,.0f}" for step, count in by_step})
    return [Reading("", put_off, put_off, detail)]


async def _database_bytes(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    found = await _rows(connection, "SELECT pg_database_size(current_database())::float8", asked)
    return [Reading("", size, 1) for (size,) in found]


async def _workers(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    """Those that run jobs, on any machine; not the runs of Dagster, which are workers too."""
    cursor = await connection.execute(
        """
        SELECT count(*)::float8 FROM pg_locks
        JOIN pg_stat_activity USING (pid) JOIN pg_database ON pg_database.oid = pg_locks.database
        WHERE locktype = 'advisory' AND objsubid = 1 AND granted
          AND pg_database.datname = current_database()
          AND (classid::bigint << 32) + objid::bigint > %s AND starts_with(application_name, %s)
        """,
        (WORKER_LOCKS, WORKER_NAMES["internal"]),
    )
    return [Reading("", count, 1) for (count,) in await cursor.fetchall()]


# -- what probes found ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """What a probe found: values by metric and label, or why there are none."""

    values: Mapping[str, Mapping[str, float]]
    error: str | None

    def of(self, metric: str) -> Mapping[str, float]:
        return self.values.get(metric, {})


async def _probe(connection: AsyncConnection, asked: Asked, name: str) -> _Found:
    """What the probe of that name found last. Old findings are none.

    Raises:
        NotYet: it has not been measured since Keepsake started.
    """
    cursor = await connection.execute(
        "SELECT metric, labels, value, error, valid_until < now() FROM probes"
        " WHERE metric = ANY(%s) OR (metric = %s AND labels = %s) ORDER BY metric, labels",
        (list(probes.PROBES[name].metrics), probes.SUCCESS, name),
    )
    values: dict[str, dict[str, float]] = {}
    error: str | None = "it was never measured"
    for metric, labels, value, reason, is_old in await cursor.fetchall():
        if metric == probes.SUCCESS:
            error = "it has not been measured for some time" if is_old else reason
        elif value is not None:
            values.setdefault(metric, {})[labels.replace(SEPARATOR, " ")] = value
    if error is not None and asked.settling:
        raise NotYet
    return _Found(values, error)


async def _orchestrator_down(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    """Dagster as it is seen from outside: its own word for its health lags by half an hour."""
    found = await _probe(connection, asked, "dagster")
    if found.error is not None:
        return [Reading("", None, error=found.error)]
    down = _parts_down(found)
    if down and asked.settling:
        raise NotYet
    return [Reading("", float(len(down)), 1, "; ".join(down))]


def _parts_down(found: _Found) -> list[str]:
    """What of Dagster gives no sign of life, in words."""
    down = [
        f"code location {name} is not loaded"
        for name, up in found.of(probes.LOCATION).items()
        if not up
    ]
    down += [
        f"daemon {name}: no heartbeat {_for(age)}"
        for name, age in found.of(probes.HEARTBEAT).items()
        if age > HEARTBEAT_SECONDS
    ]
    ticks = found.of(probes.TICK)
    if ticks and min(ticks.values()) > TICK_SECONDS:
        return [*down, f"no sensor has ticked {_for(min(ticks.values()))}"]
    down += [
        f"sensor {name} has not ticked {_for(age)}"
        for name, age in ticks.items()
        if age > STUCK_SECONDS
    ]
    return down


def _for(seconds: float) -> str:
    return "yet" if math.isinf(seconds) else f"for {write_value(seconds, 'seconds')}"


async def _storage_used_ratio(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    found = await _probe(connection, asked, "objects")
    if found.error is not None:
        return [Reading("", None, error=found.error)]
    used, quota = found.of(probes.OBJECTS).get("", 0.0), found.of(probes.QUOTA).get("")
    if not quota:
        return []
    detail = f"{write_value(used, 'bytes')} of {write_value(quota, 'bytes')}"
    return [Reading("", used / quota, 1, detail)]


async def _disk_used_ratio(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    found = await _probe(connection, asked, "disk")
    if found.error is not None:
        return [Reading("", None, error=found.error)]
    return [Reading("", ratio, 1) for ratio in found.of(probes.DISK).values()]


async def _model_days_left(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    found = await _probe(connection, asked, "models")
    if found.error is not None:
        return [Reading("", None, error=found.error)]
    now = await _epoch(connection)
    return [
        Reading(model, _days(end - now), 1) for model, end in found.of(probes.MODEL_END).items()
    ]


async def _backup_age(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    """Nothing where none was ever made and none are to be."""
    found = await _probe(connection, asked, "newest_backup")
    if found.error == probes.NO_BACKUP:
        age = await _age_of_installation(connection)
        return [Reading("", age, 1, "there is no backup; that is how old the database is")]
    if found.error is not None:
        return [Reading("", None, error=found.error)]
    now = await _epoch(connection)
    return [Reading("", now - made, 1) for made in found.of(probes.BACKUP).values()]


async def _days_to_expiry(connection: AsyncConnection, asked: Asked) -> list[Reading]:
    """Of the certificate of PUBLIC_URL, and of tokens that were made to last."""
    tokens = await _rows(
        connection,
        "SELECT id, extract(epoch FROM expires_at - now())::float8 FROM tokens"
        " WHERE expires_at > now() AND revoked_at IS NULL AND expires_at - created_at > %(lasting)s"
        " AND (%(owner)s::bigint IS NULL OR owner_id = %(owner)s) ORDER BY id",
        asked,
    )
    readings = [Reading(f"token {token_id}", _days(left), 1) for token_id, left in tokens]
    if asked.owner_id is not None:
        return readings
    found = await _probe(connection, asked, "certificate")
    if found.error is not None:
        return [*readings, Reading("certificate", None, error=found.error)]
    now = await _epoch(connection)
    return readings + [
        Reading("certificate", _days(end - now), 1) for end in found.of(probes.CERTIFICATE).values()
    ]


MEASURES: Mapping[Metric, Callable[[AsyncConnection, Asked], Awaitable[Sequence[Reading]]]] = {
    "failure_rate": _failure_rate,
    "records_failed": _records_failed,
    "queue_oldest_age": _queue_oldest_age,
    "queue_depth": _queue_depth,
    "orchestrator_down": _orchestrator_down,
    "storage_used_ratio": _storage_used_ratio,
    "disk_used_ratio": _disk_used_ratio,
    "database_bytes": _database_bytes,
    "budget_spent_ratio": _budget_spent_ratio,
    "model_days_left": _model_days_left,
    "unpriced_calls": _unpriced_calls,
    "backup_age": _backup_age,
    "days_to_expiry": _days_to_expiry,
    "endpoint_failures": _endpoint_failures,
    "webhook_failures": _webhook_failures,
    "workers": _workers,
}


async def _rows(
    connection: AsyncConnection, sql: LiteralString, asked: Asked
) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(sql, {"owner": asked.owner_id, "lasting": _LASTING})
    return await cursor.fetchall()


async def _epoch(connection: AsyncConnection) -> float:
    cursor = await connection.execute("SELECT extract(epoch FROM now())::float8")
    return float((await cursor.fetchone() or (0.0,))[0])


async def _age_of_installation(connection: AsyncConnection) -> float:
    cursor = await connection.execute(
        "SELECT extract(epoch FROM now() - min(applied_at))::float8 FROM migrations"
    )
    return float((await cursor.fetchone() or (0.0,))[0])


def _days(seconds: float) -> float:
    return seconds / 86_400


def _named(causes: Mapping[str, str]) -> str:
    """`stories 12, quotes 3`, and how many others."""
    named = [f"{name} {what}" for name, what in causes.items()]
    more = f" and {len(named) - _NAMED} others" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
