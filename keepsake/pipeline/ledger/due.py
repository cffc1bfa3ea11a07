"""What is due: the records that a run works on, and the windows for which sensors start runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from psycopg.rows import class_row

from keepsake.database import AsyncConnection, Connection
from keepsake.pipeline.ledger.claims import RECORD_LOCKS
from keepsake.pipeline.window import Window


async def due_records(
    connection: AsyncConnection,
    window: Window,
    steps: Sequence[str],
    *,
    limit: int,
    without: Sequence[int],
    starts: Sequence[datetime],
) -> list[tuple[int, int]]:
    """Records with a due row in one of `steps`: urgent ones first, then owners in turn.

    Each with the place of its partition in `starts`, their first moments in ascending order.

    Each owner's newest come first, so that however many records one owner has, and whenever they
    came, the next of every other owner comes before the second of this one.
    """
    # Of each owner only as many rows are looked up as a page holds, one by one: with an EXISTS, all
    # that is due in the line would be read for every page.
    cursor = await connection.execute(
        """
        SELECT due.id, width_bucket(due.recorded_at, %(starts)s::timestamptz[]) - 1
        FROM (SELECT DISTINCT owner_id FROM records
              WHERE line = %(line)s AND recorded_at >= %(start)s AND recorded_at < %(end)s) AS o
        CROSS JOIN LATERAL (
            SELECT r.id, r.priority, r.recorded_at,
                   row_number() OVER (ORDER BY r.priority DESC, r.id DESC) AS turn
            FROM (SELECT id, priority, recorded_at FROM records
                  WHERE owner_id = o.owner_id AND line = %(line)s
                    AND recorded_at >= %(start)s AND recorded_at < %(end)s
                    AND id <> ALL(%(without)s::bigint[])
                    AND (%(record_ids)s::bigint[] IS NULL OR id = ANY(%(record_ids)s))
                  ORDER BY priority DESC, id DESC) AS r
            CROSS JOIN LATERAL (SELECT FROM ledger l WHERE l.record_id = r.id
                                AND l.due_at <= now() AND l.step = ANY(%(steps)s) LIMIT 1) AS work
            ORDER BY r.priority DESC, r.id DESC LIMIT %(limit)s) AS due
        ORDER BY due.priority DESC, due.turn, due.id DESC
        LIMIT %(limit)s
        """,
        {**window.values, "steps": list(steps), "without": list(without), "limit": limit,
         "starts": list(starts)},
    )  # fmt: skip
    return await cursor.fetchall()


async def all_records(
    connection: AsyncConnection,
    window: Window,
    *,
    limit: int,
    after: tuple[int, int] | None,
    starts: Sequence[datetime],
) -> list[tuple[int, int, int]]:
    """The next page of every record, in the same order, after `after`.

    Each as its priority, its id, and the place of its partition in `starts`.
    """
    priority, record_id = after or (2**15, 2**62)
    cursor = await connection.execute(
        """
        SELECT priority, id, width_bucket(recorded_at, %(starts)s::timestamptz[]) - 1 FROM records
        WHERE line = %(line)s AND recorded_at >= %(start)s AND recorded_at < %(end)s
          AND (priority, id) < (%(priority)s, %(id)s)
          AND (%(record_ids)s::bigint[] IS NULL OR id = ANY(%(record_ids)s))
        ORDER BY priority DESC, id DESC LIMIT %(limit)s
        """,
        {
            **window.values,
            "priority": priority,
            "id": record_id,
            "limit": limit,
            "starts": list(starts),
        },
    )
    return await cursor.fetchall()


async def count_all(
    connection: AsyncConnection, window: Window, starts: Sequence[datetime]
) -> dict[int, int]:
    """How many records the window has, by the place of their partition in `starts`."""
    cursor = await connection.execute(
        "SELECT width_bucket(recorded_at, %(starts)s::timestamptz[]) - 1, count(*) FROM records"
        " WHERE line = %(line)s AND recorded_at >= %(start)s AND recorded_at < %(end)s"
        " AND (%(record_ids)s::bigint[] IS NULL OR id = ANY(%(record_ids)s)) GROUP BY 1",
        {**window.values, "starts": list(starts)},
    )
    return dict(await cursor.fetchall())


async def count_due(
    connection: AsyncConnection, window: Window, steps: Sequence[str], *, at_most: int | None
) -> int:
    """How many records of the window have a due row in one of `steps`, up to `at_most`."""
    cursor = await connection.execute(
        """
        SELECT count(*) FROM (
            SELECT FROM records r
            WHERE r.line = %(line)s AND r.recorded_at >= %(start)s AND r.recorded_at < %(end)s
              AND (%(record_ids)s::bigint[] IS NULL OR r.id = ANY(%(record_ids)s))
              AND EXISTS (SELECT FROM ledger l WHERE l.record_id = r.id
                          AND l.due_at <= now() AND l.step = ANY(%(steps)s))
            LIMIT %(at_most)s) AS due
        """,
        {**window.values, "steps": list(steps), "at_most": at_most},
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


@dataclass(frozen=True)
class DueWindow:
    """A day, week or month that has due work.

    Attributes:
        start: its first day.
        records: how many records have due work, at least.
        priority: the highest among them.
        first: whether it is the newest of some owner.
    """

    start: date
    records: int
    priority: int
    first: bool


Unit = Literal["day", "week", "month"]


def due_windows(
    connection: Connection,
    line: str,
    steps: Sequence[str],
    unit: Unit = "day",
    *,
    at_most: int = 20_000,
) -> list[DueWindow]:
    """Windows (UTC) with due work that no run has in its hands, the most urgent and newest first.

    Reads at most twice `at_most` rows of the index, those that became due last and those that did
    first, so that a flood costs a tick no more than that, and hides neither what came after it nor
    what had been there before.
    """
    with connection.cursor(row_factory=class_row(DueWindow)) as cursor:
        return cursor.execute(
            """
            WITH busy AS MATERIALIZED (  -- volatile: within `free` it would keep that from an index
                SELECT classid::bigint << 32 | objid::bigint AS lock FROM pg_locks
                WHERE locktype = 'advisory' AND objsubid = 1 AND database =
                    (SELECT oid FROM pg_database WHERE datname = current_database())
            ), free AS NOT MATERIALIZED (
                SELECT record_id, due_at FROM ledger
                WHERE line = %(line)s AND due_at <= now() AND step = ANY(%(steps)s)
                  AND %(locks)s + record_id NOT IN (SELECT lock FROM busy)
            )
            SELECT start, count(*) AS records, max(priority) AS priority,
                   bool_or(start = newest) AS first
            FROM (
                SELECT r.id, r.priority, start, max(start) OVER (PARTITION BY r.owner_id) AS newest
                FROM ((SELECT record_id FROM free ORDER BY due_at DESC LIMIT %(most)s)
                      UNION
                      (SELECT record_id FROM free ORDER BY due_at LIMIT %(most)s)) AS open
                JOIN records r ON r.id = open.record_id
                CROSS JOIN LATERAL (
                    SELECT date_trunc(%(unit)s, r.recorded_at AT TIME ZONE 'UTC')::date AS start
                ) AS of
            ) AS due
            GROUP BY start ORDER BY priority DESC, max(id) DESC
            """,
            {"line": line, "steps": list(steps), "locks": RECORD_LOCKS, "unit": unit,
             "most": at_most},
        ).fetchall()  # fmt: skip
