"""What people ask for: failed steps retried, results made again, steps switched off and on."""

from collections.abc import Collection
from typing import Any

from keepsake.database import AsyncConnection, Connection

_RETRY = """
    WITH failed AS (
        SELECT record_id FROM ledger
        WHERE status = 'failed' AND hold_reason IS NULL
          AND (%(line)s::text IS NULL OR line = %(line)s)
          AND (%(owner_id)s::bigint IS NULL OR owner_id = %(owner_id)s)
          AND (%(record_id)s::bigint IS NULL OR record_id = %(record_id)s)
          AND (%(step)s::text IS NULL OR step = %(step)s)
          AND (%(error_type)s::text IS NULL OR coalesce(error_type, '') = %(error_type)s)
    )
    UPDATE ledger l
    SET status = 'pending', due_at = now(), attempts = 0, deferrals = 0, crashes = 0,
        wait_reason = NULL, waits_for = NULL
    FROM failed
    WHERE l.record_id = failed.record_id AND l.hold_reason IS NULL
      AND (l.status = 'failed' AND (%(step)s::text IS NULL OR l.step = %(step)s)
                               AND (%(error_type)s::text IS NULL
                                    OR coalesce(l.error_type, '') = %(error_type)s)
           OR l.status = 'pending' AND l.due_at IS NULL AND l.wait_reason = 'need')
    RETURNING l.record_id
"""

# In the order in which runs write them, so that we and a run never wait for each other.
_LOCK_STEPS = (
    "SELECT FROM ledger WHERE record_id = %s AND owner_id = %s AND step = ANY(%s)"
    " ORDER BY step FOR UPDATE"
)
_REDO = (
    "UPDATE ledger SET due_at = now(), asked = asked + 1, wait_reason = NULL, waits_for = NULL,"
    " status = CASE status WHEN 'failed' THEN 'pending' ELSE status END"
    " WHERE record_id = %s AND owner_id = %s AND step = ANY(%s) AND hold_reason IS NULL"
)


def retry(
    connection: Connection,
    *,
    line: str | None = None,
    owner_id: int | None = None,
    step: str | None = None,
    error_type: str | None = None,
) -> int:
    """Make what failed due again, with what waits for it. Returns how many records that is.

    What is left to a schedule stays so, and what is held too. `error_type` is the name of the type
    of the error that it failed with.
    """
    asked = _failed(line=line, owner_id=owner_id, step=step, error_type=error_type)
    return len({row[0] for row in connection.execute(_RETRY, asked).fetchall()})


def retry_record(
    connection: Connection, owner_id: int, record_id: int, *, step: str | None = None
) -> bool:
    """`retry` of one record of an owner. Returns whether anything of it had failed."""
    asked = _failed(owner_id=owner_id, record_id=record_id, step=step)
    return bool(connection.execute(_RETRY, asked).fetchall())


async def retry_record_async(connection: AsyncConnection, owner_id: int, record_id: int) -> None:
    """`retry_record`, on the event loop."""
    await connection.execute(_RETRY, _failed(owner_id=owner_id, record_id=record_id))


def _failed(
    *,
    line: str | None = None,
    owner_id: int | None = None,
    record_id: int | None = None,
    step: str | None = None,
    error_type: str | None = None,
) -> dict[str, Any]:
    return {
        "line": line,
        "owner_id": owner_id,
        "record_id": record_id,
        "step": step,
        "error_type": error_type,
    }


def redo(connection: Connection, owner_id: int, record_id: int, *steps: str) -> int:
    """Have steps of one record of an owner made again. Their present results stay until then.

    A run that has the record in its hands at this moment, and may have begun with what was there
    before, leaves them due: it writes what it has made, and they are made once more.

    Returns how many that is; a step without a row, and one that is held, is left alone.
    """
    with connection.transaction():
        connection.execute(_LOCK_STEPS, (record_id, owner_id, list(steps)))
        return connection.execute(_REDO, (record_id, owner_id, list(steps))).rowcount


async def redo_async(
    connection: AsyncConnection, owner_id: int, record_id: int, *steps: str
) -> None:
    """`redo`, on the event loop."""
    async with connection.transaction():
        await connection.execute(_LOCK_STEPS, (record_id, owner_id, list(steps)))
        await connection.execute(_REDO, (record_id, owner_id, list(steps)))


def hold_switched_off(
    connection: Connection, off: Collection[str], *, later: Collection[str] = ()
) -> None:
    """Hold the open and the failed work of steps that are switched off; release what is on again.

    Released work is due, except in the steps of `later`, which wait for a schedule, and what had
    failed, which has still failed. Reads only what is due, failed or held, and what waits for what
    failed: a retry would make it due.
    """
    with connection.transaction():
        connection.execute(
            "UPDATE ledger SET hold_reason = 'off', due_at = NULL,"
            " status = CASE status WHEN 'running' THEN 'pending' ELSE status END"
            " WHERE step = ANY(%s) AND hold_reason IS NULL"
            " AND (due_at IS NOT NULL OR status = 'failed')",
            (list(off),),
        )
        connection.execute(
            "UPDATE ledger l SET hold_reason = 'off' FROM ledger f WHERE f.status = 'failed'"
            " AND l.record_id = f.record_id AND l.step = ANY(%s) AND l.status = 'pending'"
            " AND l.hold_reason IS NULL AND l.due_at IS NULL",
            (list(off),),
        )
        connection.execute(
            "UPDATE ledger SET hold_reason = NULL, due_at = CASE WHEN status = 'pending'"
            " AND step <> ALL(%s) THEN now() END WHERE hold_reason = 'off' AND step <> ALL(%s)",
            (list(later), list(off)),
        )
