"""How far records are: counted from the ledger for people who wait. Nothing here changes it.

What was made of a record is not here: each line reads that for itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import class_row, dict_row

from keepsake.database import AsyncConnection, Connection
from keepsake.records.lookup import check_line, unknown_record

# How long back the rate looks: it levels out slow calls and still follows a change.
LOOKS_BACK = timedelta(minutes=3)


@dataclass(frozen=True)
class StepProgress:
    """How far records are in one step of a line. Every record counts in one of the numbers.

    Attributes:
        line: its line.
        step: its name.
        pending: to be made, or made again, now or after a pause.
        running: being made.
        done: made.
        failed: for good, until someone retries them.
        waiting: for a step they need, a schedule or a backfill.
        beyond_tier: held, since the owner's tier covers newer ones only.
        switched_off: held, since the step is switched off.
        over_budget: put off to the next month, since the owner's budget is spent.
        per_minute: how many were finished in the last few minutes.
        seconds_left: until the open ones are made at that rate; None if unknown.
    """

    line: str
    step: str
    pending: int
    running: int
    done: int
    failed: int
    waiting: int
    beyond_tier: int
    switched_off: int
    over_budget: int
    per_minute: float
    seconds_left: float | None

    @property
    def open(self) -> int:
        """Those that are worked on until none is left."""
        return self.pending + self.running


@dataclass(frozen=True)
class RecordHead:
    """What every record has, whatever its line. `owner` is a name, `slug` the short one."""

    id: int
    line: str
    owner_id: int
    owner: str
    slug: str
    recorded_at: datetime
    received_at: datetime
    priority: int
    batch_id: int | None
    status: str


_PROGRESS = """
    WITH counted AS (
        SELECT l.line, l.step, min(l.started_at) AS began,
            -- what was made and is to be made again has its result, and is due
            count(*) FILTER (WHERE status IN ('pending', 'succeeded')
                             AND due_at IS NOT NULL AND NOT unpaid) AS pending,
            count(*) FILTER (WHERE status = 'running') AS running,
            count(*) FILTER (WHERE status = 'succeeded' AND due_at IS NULL) AS done,
            count(*) FILTER (WHERE status = 'failed') AS failed,
            count(*) FILTER (WHERE status = 'pending' AND due_at IS NULL
                             AND hold_reason IS NULL) AS waiting,
            count(*) FILTER (WHERE status = 'pending' AND hold_reason = 'tier') AS beyond_tier,
            count(*) FILTER (WHERE status = 'pending' AND hold_reason = 'off') AS switched_off,
            count(*) FILTER (WHERE status IN ('pending', 'succeeded') AND unpaid)
                AS over_budget,
            count(*) FILTER (WHERE lately) AS finished,
            -- from when the first of them began, so that a start is not taken for a lull
            min(finished_at - make_interval(secs => coalesce(seconds, 0)))
                FILTER (WHERE lately) AS since
        FROM ledger l JOIN records r ON r.id = l.record_id
        CROSS JOIN LATERAL (
            SELECT status IN ('succeeded', 'failed')
                   AND finished_at > now() - %(looks_back)s AS lately,
                   due_at > now() AND wait_reason IS NOT DISTINCT FROM 'budget'
                   AS unpaid) AS of
        WHERE (%(line)s::text IS NULL OR l.line = %(line)s)
          AND (%(owner)s::bigint IS NULL OR l.owner_id = %(owner)s)
          AND (%(batch)s::bigint IS NULL OR r.batch_id = %(batch)s)
        GROUP BY l.line, l.step
    ), rated AS (
        SELECT *, coalesce(60 * finished / extract(epoch FROM greatest(
            now() - greatest(since, now() - %(looks_back)s), interval '1 second'
        )), 0)::float AS per_minute
        FROM counted
    )
    SELECT line, step, pending, running, done, failed, waiting, beyond_tier, switched_off,
           over_budget, per_minute,
           CASE WHEN pending + running = 0 THEN 0
                ELSE 60 * (pending + running) / nullif(per_minute, 0) END AS seconds_left
    FROM rated ORDER BY line, began NULLS LAST, step
"""


def progress(
    connection: Connection,
    *,
    line: str | None = None,
    owner_id: int | None = None,
    batch_id: int | None = None,
) -> list[StepProgress]:
    """How far all records are, or those of a line, an owner or a batch; a row a step.

    It counts ledger rows, some 10 ms for 10,000 of them: not to be asked many times a second.

    Raises:
        InvalidInput: there is no such line.
    """
    if line is not None:
        check_line(connection, line)
    with connection.cursor(row_factory=class_row(StepProgress)) as cursor:
        return cursor.execute(
            _PROGRESS,
            {"line": line, "owner": owner_id, "batch": batch_id, "looks_back": LOOKS_BACK},
        ).fetchall()


async def batch_progress(
    connection: AsyncConnection, owner_id: int, batch_id: int
) -> list[StepProgress]:
    """How far the records of an owner's batch are, as `progress` counts them."""
    async with connection.cursor(row_factory=class_row(StepProgress)) as cursor:
        await cursor.execute(
            _PROGRESS,
            {"line": None, "owner": owner_id, "batch": batch_id, "looks_back": LOOKS_BACK},
        )
        return await cursor.fetchall()


def open_steps(connection: Connection, owner_id: int) -> list[dict[str, Any]]:
    """How many of an owner's records are `pending`, `running` or `failed` in each step.

    It reads what is due or has failed, and nothing of what is done.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            SELECT line, step, count(*) FILTER (WHERE status NOT IN ('running', 'failed'))
                   AS pending, count(*) FILTER (WHERE status = 'running') AS running,
                   count(*) FILTER (WHERE status = 'failed') AS failed
            FROM ledger WHERE owner_id = %s
              AND (status <> 'succeeded' OR due_at IS NOT NULL)  -- as the index has it
              AND (due_at IS NOT NULL OR status = 'failed' AND hold_reason IS NULL)
            GROUP BY line, step ORDER BY line, step
            """,
            (owner_id,),
        ).fetchall()


def time_left(steps: Iterable[StepProgress]) -> float | None:
    """Seconds until nothing is open, since steps run side by side; None if unknown."""
    each = [step.seconds_left for step in steps]
    known = [seconds for seconds in each if seconds is not None]
    return max(known, default=0.0) if len(known) == len(each) else None


@dataclass(frozen=True)
class Totals:
    """How many records a line has, on how many days (UTC), and between which moments."""

    records: int
    days: int
    oldest: datetime | None
    newest: datetime | None


def totals(connection: Connection, line: str) -> Totals:
    """The records of a line, counted."""
    row = connection.execute(
        """
        SELECT count(*), count(DISTINCT (recorded_at AT TIME ZONE 'UTC')::date),
               min(recorded_at), max(recorded_at)
        FROM records WHERE line = %s
        """,
        (line,),
    ).fetchone()
    return Totals(*(row or (0, 0, None, None)))


def records_by_status(
    connection: Connection, *, line: str | None = None, owner_id: int | None = None
) -> list[dict[str, Any]]:
    """How many records of each line have each status."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            SELECT s.line, s.status, count(*) AS records
            FROM record_status s JOIN records r ON r.id = s.record_id
            WHERE (%(line)s::text IS NULL OR s.line = %(line)s)
              AND (%(owner)s::bigint IS NULL OR r.owner_id = %(owner)s)
            GROUP BY 1, 2 ORDER BY 1, 2
            """,
            {"line": line, "owner": owner_id},
        ).fetchall()


def record_head(connection: Connection, owner_id: int, record_id: int) -> RecordHead:
    """A record of an owner and its status.

    Raises:
        InvalidInput: there is no such record.
    """
    with connection.cursor(row_factory=class_row(RecordHead)) as cursor:
        record = cursor.execute(
            """
            SELECT r.id, r.line, r.owner_id, o.name AS owner, o.slug, r.recorded_at, r.received_at,
                   r.priority, r.batch_id, coalesce(s.status, 'PENDING') AS status
            FROM records r JOIN owners o ON o.id = r.owner_id
            LEFT JOIN record_status s ON s.record_id = r.id
            WHERE r.id = %s AND r.owner_id = %s
            """,
            (record_id, owner_id),
        ).fetchone()
    if record is None:
        raise unknown_record(connection, owner_id, record_id)
    return record
