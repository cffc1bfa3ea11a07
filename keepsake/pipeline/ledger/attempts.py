"""The history of attempts: a row for each, written once, deleted when it is old.

The rows also show whether an outcome is written already, so that none counts twice.
"""

from collections.abc import Sequence
from typing import Any

from psycopg.rows import dict_row

from keepsake.database import AsyncConnection, Connection
from keepsake.pipeline.ledger.rows import Outcome

DELETED_AT_ONCE = 10_000


async def add_attempts(
    connection: AsyncConnection, outcomes: Sequence[Outcome], *, run_id: str
) -> list[Outcome]:
    """Write the attempts of some outcomes, and return the outcomes that are not written yet.

    Call it first in the transaction that writes the outcomes. Where a transaction like this one has
    been committed before, or is being committed, its outcomes are left out.
    """
    rows = [
        (o.record_id, o.owner_id, o.step, a.number, a.started_at, a.seconds, a.outcome,
         a.error_type, a.retryable, "\x1f".join(a.usage.models), a.usage.calls,
         a.usage.tokens_in, a.usage.tokens_out, a.usage.cost)
        for o in sorted(outcomes, key=lambda o: (o.record_id, o.step))
        for a in o.history
    ]  # fmt: skip
    if not rows:
        return list(outcomes)
    cursor = await connection.execute(
        """
        INSERT INTO step_attempts (record_id, owner_id, step, attempt, run_id, started_at, seconds,
            outcome, error_type, retryable, models, calls, tokens_in, tokens_out, cost)
        SELECT record_id, owner_id, step, attempt, %s, started_at, seconds, outcome, error_type,
            retryable, string_to_array(models, E'\\x1f'), calls, tokens_in, tokens_out, cost
        FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::smallint[], %s::timestamptz[],
                    %s::real[], %s::text[], %s::text[], %s::boolean[], %s::text[], %s::integer[],
                    %s::bigint[], %s::bigint[], %s::numeric[])
             AS t(record_id, owner_id, step, attempt, started_at, seconds, outcome, error_type,
                  retryable, models, calls, tokens_in, tokens_out, cost)
        ON CONFLICT DO NOTHING
        RETURNING record_id, step
        """,
        (run_id, *(list(column) for column in zip(*rows, strict=True))),
    )
    if cursor.rowcount == len(rows):
        return list(outcomes)
    new = set(await cursor.fetchall())
    return [o for o in outcomes if not o.history or (o.record_id, o.step) in new]


async def without_written(
    connection: AsyncConnection, outcomes: Sequence[Outcome], *, run_id: str
) -> list[Outcome]:
    """The outcomes without those of no attempt that the run has written before.

    Their rows say so: a run that has only claimed a row leaves it `running`.
    """
    unattempted = [o for o in outcomes if not o.history]
    cursor = await connection.execute(
        "SELECT record_id, step FROM ledger"
        " JOIN unnest(%s::bigint[], %s::text[]) AS t(record_id, step) USING (record_id, step)"
        " WHERE run_id = %s AND status <> 'running' ORDER BY record_id, step FOR UPDATE OF ledger",
        ([o.record_id for o in unattempted], [o.step for o in unattempted], run_id),
    )
    written = set(await cursor.fetchall())
    return [o for o in outcomes if o.history or (o.record_id, o.step) not in written]


def timeline(connection: Connection, owner_id: int, record_id: int) -> list[dict[str, Any]]:
    """The attempts at the steps of an owner's record, in the order of time."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            SELECT started_at, step, attempt, outcome, error_type, retryable, seconds, models,
                   calls, tokens_in, tokens_out, cost, run_id
            FROM step_attempts WHERE record_id = %s AND owner_id = %s
            ORDER BY started_at, step, attempt
            """,
            (record_id, owner_id),
        ).fetchall()


def delete_old_attempts(connection: Connection, days: int) -> int:
    """Delete attempts that are older than so many days, some at a time. Returns how many."""
    deleted = 0
    while True:
        batch = connection.execute(
            "DELETE FROM step_attempts WHERE ctid = ANY(ARRAY("
            " SELECT ctid FROM step_attempts"
            " WHERE started_at < now() - make_interval(days => %s) LIMIT %s))",
            (days, DELETED_AT_ONCE),
        ).rowcount
        deleted += batch
        if batch < DELETED_AT_ONCE:
            return deleted
