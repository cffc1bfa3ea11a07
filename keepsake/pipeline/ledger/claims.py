"""Claiming records for a run, and giving them back.

A run holds an advisory lock on each record that it works on. What is due is in `due.py`.
"""

from collections.abc import Sequence

from psycopg.rows import class_row

from keepsake.database import AsyncConnection
from keepsake.pipeline.ledger.rows import Entry

# Advisory locks of records are above this number, away from all other locks that Keepsake takes.
RECORD_LOCKS = 1 << 62


async def lock_records(connection: AsyncConnection, ids: Sequence[int]) -> list[int]:
    """Take the records that no other run holds. The locks end with the connection."""
    cursor = await connection.execute(
        "SELECT id FROM unnest(%s::bigint[]) AS id WHERE pg_try_advisory_lock(%s::bigint + id)",
        (list(ids), RECORD_LOCKS),
    )
    taken = {row[0] for row in await cursor.fetchall()}
    return [record_id for record_id in ids if record_id in taken]


async def unlock_records(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Give records back."""
    await connection.execute(
        "SELECT pg_advisory_unlock(%s::bigint + id) FROM unnest(%s::bigint[]) AS id",
        (RECORD_LOCKS, list(ids)),
    )


async def entries(connection: AsyncConnection, ids: Sequence[int]) -> dict[int, dict[str, Entry]]:
    """The ledger rows of some records, by record and step."""
    async with connection.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(
            """
            SELECT record_id, step, status, coalesce(due_at <= now(), false) AS due, due_at,
                   attempts, deferrals, crashes, hold_reason, input_fingerprint, output_fingerprint,
                   nothing_reason, asked
            FROM ledger WHERE record_id = ANY(%s)
            """,
            (list(ids),),
        )
        found: dict[int, dict[str, Entry]] = {record_id: {} for record_id in ids}
        async for entry in cursor:
            found[entry.record_id][entry.step] = entry
        return found


async def mark_running(
    connection: AsyncConnection, todo: Sequence[tuple[int, str]], *, run_id: str
) -> None:
    """Mark rows as taken by this run; count a crash where they still are from one that died."""
    if not todo:
        return
    ids, steps = zip(*sorted(todo), strict=True)
    await connection.execute(
        """
        UPDATE ledger l
        SET status = 'running', run_id = %s, started_at = now(),
            due_at = coalesce(l.due_at, now()), wait_reason = NULL, waits_for = NULL,
            crashes = CASE WHEN l.status = 'running' THEN l.crashes + 1 ELSE 0 END
        FROM unnest(%s::bigint[], %s::text[]) AS t(record_id, step)
        WHERE l.record_id = t.record_id AND l.step = t.step AND l.status <> 'succeeded'
          AND l.hold_reason IS NULL
        """,
        (run_id, list(ids), list(steps)),
    )


async def put_back(
    connection: AsyncConnection, record_id: int, steps: Sequence[str], run_id: str
) -> None:
    """Put back steps of one record that this run had taken and then left alone."""
    await connection.execute(
        "UPDATE ledger SET status = 'pending'"
        " WHERE record_id = %s AND step = ANY(%s) AND run_id = %s AND status = 'running'",
        (record_id, list(steps), run_id),
    )


async def release(connection: AsyncConnection, run_id: str) -> None:
    """Put back what a cancelled run had in its hands."""
    await connection.execute(
        "UPDATE ledger SET status = 'pending' WHERE run_id = %s AND status = 'running'", (run_id,)
    )
