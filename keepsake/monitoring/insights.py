"""Insights: the figures that pages, the API, the command line and alerts show.

Each function takes a connection and whose figures are wanted: `owner_id` inside that owner's
transaction, or None for the whole system, which only operators see. Counts of what happened come
from what was counted when it did (`windows.py`), also of records that are deleted since; what is
so now, such as the queue and the list of what failed, from the ledger. Quantiles are estimated from
buckets (`quantiles.py`). An average or a rate over nothing is None.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from psycopg.rows import class_row

from keepsake.database import AsyncConnection
from keepsake.monitoring.quantiles import quantile
from keepsake.monitoring.windows import (
    FINEST,
    Histogram,
    Window,
    window,
    windows,
    windows_since,
)
from keepsake.pipeline.ledger.claims import RECORD_LOCKS

RECORDS = "keepsake_records_total"
DURATIONS = "keepsake_record_duration_seconds"
STEPS = "keepsake_steps_total"
STEP_DURATIONS = "keepsake_step_duration_seconds"
DOWNLOADED = "keepsake_media_download_bytes_sum"

LONGEST_HOURS = 168  # that `performance` looks back
MOST_ERRORS = 500  # in a list
GROUPS_SHOWN = 20
HOURS_OF_ERRORS = 24
DAYS_OF_SPENDING = 31  # so that a whole month is among them


@dataclass(frozen=True)
class Period:
    """What became of records in a time. A record that was made twice counts twice.

    Attributes:
        total: times that the work on a record came to its end.
        completed: of which all steps were made.
        failed: of which none was.
        partial_success: of which some were.
        success_rate: completed of the total, in percent.
        average_seconds: from when a run took a record up until nothing more was to be made.
        since: from when it really counts: not before counting began.
        until: until when.
    """

    total: int
    completed: int
    failed: int
    partial_success: int
    success_rate: float | None
    average_seconds: float | None
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Dashboard:
    """How things stand.

    Attributes:
        today: since midnight: in the owner's time zone, of the system in UTC.
        week: since Monday.
        month: since the first of the month.
        active: records that runs have in work.
        queue_depth: steps that are due, those in work among them.
        queue_oldest_seconds: for how long the oldest of them has been; None: there are none.
        as_of: when that was so.
    """

    today: Period
    week: Period
    month: Period
    active: int
    queue_depth: int
    queue_oldest_seconds: float | None
    as_of: datetime


@dataclass(frozen=True)
class Latency:
    """How long the records of a line took, in seconds; `count` of them were measured."""

    line: str
    count: int
    average: float | None
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True)
class Point:
    """A point of a chart: what ended from `at` until the next point.

    Attributes:
        at: when it begins.
        completed: records, those that were made in part included.
        failed: records.
        per_minute: both, a minute.
        error_rate: failed of both, in percent.
    """

    at: datetime
    completed: int
    failed: int
    per_minute: float
    error_rate: float | None


@dataclass(frozen=True)
class StepFigures:
    """How often a step was tried, how often it failed for good, and how long it took (seconds)."""

    line: str
    step: str
    count: int
    failed: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class Performance:
    """How fast records are made.

    Attributes:
        since: from when on.
        until: until when.
        latencies: by line.
        throughput_per_minute: records that came to their end, a minute.
        points: the same over time.
        steps: by line and step.
    """

    since: datetime
    until: datetime
    latencies: Sequence[Latency]
    throughput_per_minute: float
    points: Sequence[Point]
    steps: Sequence[StepFigures]


@dataclass(frozen=True)
class ErrorGroup:
    """Steps that failed with the same type of error, and have not been tried again.

    Attributes:
        retryable: whether such an error may pass by itself; None: its attempts are deleted.
        records: how many there are.
        last_at: when the last of them failed.
    """

    line: str
    step: str
    error_type: str
    retryable: bool | None
    records: int
    last_at: datetime | None


@dataclass(frozen=True)
class FailedRecord:
    """A step of a record that failed for good.

    Attributes:
        owner: short name, for operators; None where all are of one owner.
        platform: of a bookmark, as its sender names it.
    """

    record_id: int
    owner: str | None
    line: str
    step: str
    platform: str | None
    error_type: str | None
    error_message: str | None
    failed_at: datetime | None


@dataclass(frozen=True)
class Errors:
    """What fails.

    Attributes:
        groups: the largest first.
        failed: the latest first.
        points: of the last day, by the hour.
    """

    groups: Sequence[ErrorGroup]
    failed: Sequence[FailedRecord]
    points: Sequence[Point]


@dataclass(frozen=True)
class QueueLine:
    """What waits in a line.

    Attributes:
        depth: steps that are due, those in work among them.
        active: records that runs have in work.
        oldest_seconds: for how long the oldest has been due; None: nothing is.
        steps: name, and how many are due.
    """

    line: str
    depth: int
    active: int
    oldest_seconds: float | None
    steps: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Queue:
    """What waits.

    Attributes:
        lines: that have something to do.
        depth: steps that are due, over all lines.
        jobs: type, pending, running, and for how long the oldest has been due (seconds).
    """

    lines: Sequence[QueueLine]
    depth: int
    jobs: Sequence[tuple[str, int, int, float | None]]


@dataclass(frozen=True)
class ModelFigures:
    """What a model was used for in this month; `cost` in USD, None if a part of it is unknown."""

    model: str
    calls: int
    tokens_in: int
    tokens_out: int
    cost: Decimal | None


@dataclass(frozen=True)
class DaySpent:
    """What a day (UTC) has cost, in USD, as far as models have prices; and its tokens."""

    day: date
    cost: Decimal
    tokens: int


@dataclass(frozen=True)
class Resources:
    """What is used up.

    Attributes:
        models: of this calendar month (UTC), the dearest first.
        days: of the last 31, those on which a model was called.
        month_spent: USD, as far as models have prices.
        month_budget: USD; None: no bound, or the whole system, which has none.
        media_bytes: downloaded in this month.
        storage_bytes: size of all objects; None: not measured, or of an owner, of whom it is not
            known: equal content of two owners is stored once.
        storage_quota_bytes: what they may take; None: no bound is set.
        database_bytes: of the whole database; None for an owner.
    """

    models: Sequence[ModelFigures]
    days: Sequence[DaySpent]
    month_spent: Decimal
    month_budget: Decimal | None
    media_bytes: int
    storage_bytes: int | None = None
    storage_quota_bytes: int | None = None
    database_bytes: int | None = None


# -- how things stand ------------------------------------------------------------------------------


async def dashboard(connection: AsyncConnection, *, owner_id: int | None) -> Dashboard:
    """Today, this week and this month, and what is in work now."""
    now, zone = await _clock(connection, owner_id)
    wanted = (RECORDS, f"{DURATIONS}_sum")
    today, week, month = map(
        _period,
        await windows_since(connection, period_starts(now, zone), wanted, owner_id=owner_id),
    )
    lines = await _queue_lines(connection, owner_id)
    return Dashboard(
        today,
        week,
        month,
        active=sum(line.active for line in lines),
        queue_depth=sum(line.depth for line in lines),
        queue_oldest_seconds=max(
            (line.oldest_seconds for line in lines if line.oldest_seconds is not None),
            default=None,
        ),
        as_of=now,
    )


def period_starts(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime, datetime]:
    """When the day, the week and the month began that it is there."""
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = midnight - timedelta(days=midnight.weekday())
    return midnight, monday, midnight.replace(day=1)


async def _clock(connection: AsyncConnection, owner_id: int | None) -> tuple[datetime, ZoneInfo]:
    """When it is, and where."""
    cursor = await connection.execute(
        "SELECT now(), coalesce((SELECT time_zone FROM owners WHERE id = %s), 'UTC')", (owner_id,)
    )
    ((now, zone),) = await cursor.fetchall()
    return now, ZoneInfo(zone)


def _period(found: Window) -> Period:
    completed, failed, partly = (
        round(found.total(RECORDS, status=status))
        for status in ("completed", "failed", "partial_success")
    )
    total = completed + failed + partly
    return Period(
        total=total,
        completed=completed,
        failed=failed,
        partial_success=partly,
        success_rate=_percent(completed, total),
        average_seconds=found.total(f"{DURATIONS}_sum") / total if total else None,
        since=found.since,
        until=found.until,
    )


def _percent(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None


# -- how fast --------------------------------------------------------------------------------------


async def performance(
    connection: AsyncConnection, *, owner_id: int | None, hours: int = 24
) -> Performance:
    """How fast records and steps were made in the last hours, 1 to `LONGEST_HOURS`.

    Points are 5 minutes apart for up to 6 hours, an hour up to two days, 4 hours for more.
    """
    now, _ = await _clock(connection, owner_id)
    every = FINEST if hours <= 6 else timedelta(hours=1 if hours <= 48 else 4)
    since = _floor(now - timedelta(hours=hours), every)
    wanted = (RECORDS, DURATIONS, STEPS, STEP_DURATIONS)
    found = await window(connection, since, wanted, owner_id=owner_id)
    return Performance(
        since=found.since,
        until=found.until,
        latencies=[
            _latency(line, took)
            for (line,), took in sorted(found.histograms(DURATIONS, "line").items())
        ],
        throughput_per_minute=found.total(RECORDS) / found.minutes,
        points=await _points(connection, since, every, owner_id),
        steps=_step_figures(found),
    )


def _floor(moment: datetime, every: timedelta) -> datetime:
    return moment - timedelta(seconds=moment.timestamp() % every.total_seconds())


def _latency(line: str, took: Histogram) -> Latency:
    return Latency(line, took.count, took.average, *_quantiles(took, 0.5, 0.95, 0.99))


def _quantiles(took: Histogram | None, *shares: float) -> list[float | None]:
    return [quantile(share, took.buckets if took else {}) for share in shares]


def _step_figures(found: Window) -> list[StepFigures]:
    tried: dict[tuple[str, str], dict[str, float]] = {}
    for labels, value in found.select(STEPS):
        of = tried.setdefault((labels["line"], labels["step"]), {})
        of[labels["status"]] = of.get(labels["status"], 0.0) + value
    took = found.histograms(STEP_DURATIONS, "line", "step")
    return [
        StepFigures(
            line,
            step,
            round(sum(value for status, value in of.items() if status != "waiting")),
            round(of.get("failed", 0)),
            *_quantiles(took.get((line, step)), 0.5, 0.95),
        )
        for (line, step), of in sorted(tried.items())
    ]


async def _points(
    connection: AsyncConnection, since: datetime, every: timedelta, owner_id: int | None
) -> list[Point]:
    found = await windows(connection, since, every, (RECORDS,), owner_id=owner_id)
    return [_point(each) for each in found]


def _point(found: Window) -> Point:
    total, failed = found.total(RECORDS), found.total(RECORDS, status="failed")
    return Point(
        at=found.since,
        completed=round(total - failed),
        failed=round(failed),
        per_minute=total / found.minutes,
        error_rate=_percent(failed, total),
    )


# -- what fails ------------------------------------------------------------------------------------


async def errors(connection: AsyncConnection, *, owner_id: int | None, limit: int = 50) -> Errors:
    """What has failed and was not tried again: in groups, and the latest `limit` of it."""
    now, _ = await _clock(connection, owner_id)
    hour = timedelta(hours=1)
    since = _floor(now - HOURS_OF_ERRORS * hour, hour)
    return Errors(
        groups=await _error_groups(connection, owner_id),
        failed=await _failed(connection, owner_id, limit),
        points=await _points(connection, since, hour, owner_id),
    )


async def _error_groups(connection: AsyncConnection, owner_id: int | None) -> list[ErrorGroup]:
    async with connection.cursor(row_factory=class_row(ErrorGroup)) as cursor:
        await cursor.execute(
            """
            SELECT g.line, g.step, g.error_type, a.retryable, g.records, g.last_at
            FROM (
                SELECT line, step, coalesce(error_type, '') AS error_type, count(*) AS records,
                       max(finished_at) AS last_at, max(record_id) AS record_id
                FROM ledger
                WHERE status = 'failed' AND hold_reason IS NULL
                  AND (%(owner)s::bigint IS NULL OR owner_id = %(owner)s)
                GROUP BY 1, 2, 3 ORDER BY records DESC, last_at DESC LIMIT %(limit)s
            ) AS g
            LEFT JOIN LATERAL (
                SELECT retryable FROM step_attempts s
                WHERE s.record_id = g.record_id AND s.step = g.step
                  AND s.error_type = g.error_type
                ORDER BY started_at DESC LIMIT 1
            ) AS a ON true
            ORDER BY g.records DESC, g.last_at DESC
            """,
            {"owner": owner_id, "limit": GROUPS_SHOWN},
        )
        return await cursor.fetchall()


async def _failed(
    connection: AsyncConnection, owner_id: int | None, limit: int
) -> list[FailedRecord]:
    async with connection.cursor(row_factory=class_row(FailedRecord)) as cursor:
        await cursor.execute(
            """
            SELECT l.record_id, CASE WHEN %(owner)s::bigint IS NULL THEN o.slug END AS owner,
                   l.line, l.step, b.platform, l.error_type, l.error_message,
                   l.finished_at AS failed_at
            FROM (SELECT * FROM ledger
                  WHERE status = 'failed' AND hold_reason IS NULL
                    AND (%(owner)s::bigint IS NULL OR owner_id = %(owner)s)
                  ORDER BY finished_at DESC NULLS LAST LIMIT %(limit)s) AS l
            JOIN owners o ON o.id = l.owner_id
            LEFT JOIN bookmarks b ON b.record_id = l.record_id
            ORDER BY l.finished_at DESC NULLS LAST
            """,
            {"owner": owner_id, "limit": limit},
        )
        return await cursor.fetchall()


# -- what waits ------------------------------------------------------------------------------------


async def queue(connection: AsyncConnection, *, owner_id: int | None) -> Queue:
    """What waits: steps of records by line, and jobs by type."""
    lines = await _queue_lines(connection, owner_id)
    cursor = await connection.execute(
        """
        SELECT type, count(*) FILTER (WHERE status = 'pending'),
               count(*) FILTER (WHERE status = 'running'),
               extract(epoch FROM now() - min(due_at)
                       FILTER (WHERE status = 'pending' AND due_at <= now()))::float
        FROM jobs WHERE status IN ('pending', 'running')
          AND (%(owner)s::bigint IS NULL OR owner_id = %(owner)s)
        GROUP BY type ORDER BY type
        """,
        {"owner": owner_id},
    )
    return Queue(lines, sum(line.depth for line in lines), await cursor.fetchall())


async def _queue_lines(connection: AsyncConnection, owner_id: int | None) -> list[QueueLine]:
    # A step that runs is due as well. For the whole system an index alone answers; what the last
    # condition adds to the second is that of the index that has an owner's open rows.
    cursor = await connection.execute(
        """
        SELECT line, step, count(*), extract(epoch FROM now() - min(due_at))::float FROM ledger
        WHERE due_at <= now()
          AND (%(owner)s::bigint IS NULL
               OR owner_id = %(owner)s AND (status <> 'succeeded' OR due_at IS NOT NULL))
        GROUP BY line, step ORDER BY line, step
        """,
        {"owner": owner_id},
    )
    rows = await cursor.fetchall()
    active = await _active(connection, owner_id)
    return [
        QueueLine(
            line,
            depth=sum(due for of, _, due, _ in rows if of == line),
            active=active.get(line, 0),
            oldest_seconds=max((age for of, _, _, age in rows if of == line), default=None),
            steps=[(step, due) for of, step, due, _ in rows if of == line],
        )
        for line in sorted({of for of, *_ in rows} | active.keys())
    ]


async def _active(connection: AsyncConnection, owner_id: int | None) -> dict[str, int]:
    """Records that runs have in work, by line: a run holds a lock on each as long as it lives."""
    cursor = await connection.execute(
        """
        WITH held AS MATERIALIZED (
            SELECT (classid::bigint << 32) + objid::bigint - %(locks)s AS id FROM pg_locks
            WHERE locktype = 'advisory' AND objsubid = 1 AND granted
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        )
        SELECT line, count(*) FROM held JOIN records USING (id)
        WHERE id > 0 AND (%(owner)s::bigint IS NULL OR owner_id = %(owner)s)
        GROUP BY line
        """,
        {"locks": RECORD_LOCKS, "owner": owner_id},
    )
    return dict(await cursor.fetchall())


# -- what is used up -------------------------------------------------------------------------------


async def resources(connection: AsyncConnection, *, owner_id: int | None) -> Resources:
    """Tokens and money by model and day, media, storage and the database."""
    now, _ = await _clock(connection, owner_id)
    today, _, month = period_starts(now, ZoneInfo("UTC"))
    downloaded = await window(connection, month, (DOWNLOADED,), owner_id=owner_id)
    models = await _models(connection, owner_id, month.date())
    first = today.date() - timedelta(days=DAYS_OF_SPENDING - 1)
    days = await _days(connection, owner_id, first)
    return Resources(
        models=models,
        days=days,
        month_spent=sum((d.cost for d in days if d.day >= month.date()), Decimal()),
        month_budget=await _budget(connection, owner_id),
        media_bytes=round(downloaded.total(DOWNLOADED)),
        **await _of_system(connection) if owner_id is None else {},
    )


async def _models(
    connection: AsyncConnection, owner_id: int | None, since: date
) -> list[ModelFigures]:
    async with connection.cursor(row_factory=class_row(ModelFigures)) as cursor:
        await cursor.execute(
            """
            SELECT model, sum(calls)::bigint AS calls, sum(tokens_in)::bigint AS tokens_in,
                   sum(tokens_out)::bigint AS tokens_out,
                   CASE WHEN count(*) = count(cost) THEN sum(cost) END AS cost
            FROM spending
            WHERE day >= %(since)s AND calls > 0
              AND (%(owner)s::bigint IS NULL OR owner_id = %(owner)s)
            GROUP BY model ORDER BY coalesce(sum(cost), 0) DESC, calls DESC, model
            """,
            {"owner": owner_id, "since": since},
        )
        return await cursor.fetchall()


async def _days(connection: AsyncConnection, owner_id: int | None, since: date) -> list[DaySpent]:
    async with connection.cursor(row_factory=class_row(DaySpent)) as cursor:
        await cursor.execute(
            """
            SELECT day, coalesce(sum(cost), 0) AS cost,
                   sum(tokens_in + tokens_out)::bigint AS tokens
            FROM spending
            WHERE day >= %(since)s AND calls > 0
              AND (%(owner)s::bigint IS NULL OR owner_id = %(owner)s)
            GROUP BY day ORDER BY day
            """,
            {"owner": owner_id, "since": since},
        )
        return await cursor.fetchall()


async def _budget(connection: AsyncConnection, owner_id: int | None) -> Decimal | None:
    cursor = await connection.execute(
        "SELECT budget FROM owner_budgets WHERE owner_id = %s", (owner_id,)
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def _of_system(connection: AsyncConnection) -> dict[str, int | None]:
    """What all owners use together: as last measured, the database as it is now."""
    cursor = await connection.execute(
        """
        SELECT max(value) FILTER (WHERE metric = 'keepsake_object_store_bytes')::bigint,
               max(value) FILTER (WHERE metric = 'keepsake_object_store_quota_bytes')::bigint,
               pg_database_size(current_database())
        FROM probes
        """
    )
    ((stored, quota, database),) = await cursor.fetchall()
    return {
        "storage_bytes": stored,
        "storage_quota_bytes": quota,
        "database_bytes": database,
    }
