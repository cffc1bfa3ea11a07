"""How far things are: one record, or a step in all records of a window.

Counts of a whole line are in `keepsake/records/progress.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from keepsake.database import AsyncConnection, Connection
from keepsake.pipeline.window import Window


def record_steps(connection: Connection, owner_id: int, record_id: int) -> list[dict[str, Any]]:
    """Everything the ledger says of one record of an owner."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            SELECT step, status, due_at, hold_reason, wait_reason, waits_for, attempts, models,
                   calls, tokens_in, tokens_out, cost, seconds, error_type, error_message,
                   nothing_reason, run_id, started_at, finished_at,
                   output_fingerprint IS NOT NULL AS made
            FROM ledger WHERE record_id = %s AND owner_id = %s
            ORDER BY started_at NULLS LAST, step
            """,
            (record_id, owner_id),
        ).fetchall()


async def ended_records(connection: AsyncConnection, ids: Sequence[int]) -> dict[int, str]:
    """Those of some records of which nothing is due: completed, partial_success or failed."""
    cursor = await connection.execute(
        "SELECT record_id, lower(status) FROM record_status WHERE record_id = ANY(%s)"
        " AND status IN ('COMPLETED', 'PARTIAL_SUCCESS', 'FAILED')",
        (list(ids),),
    )
    return dict(await cursor.fetchall())


@dataclass(frozen=True)
class StepState:
    """How one step of the records of a window is. Counts are records.

    Attributes:
        succeeded: with a result, or with nothing to make.
        nothing: those of them with nothing to make.
        failed: for good, until someone retries them.
        open: to be made, now or later.
        held: with a hold reason, and without a result.
        failed_ids: some of the failed.
        output: a hash of all the results' output fingerprints; None if there are none.
        oldest_due_seconds: for how long the one that waits longest has been due; 0 if none is.
    """

    succeeded: int = 0
    nothing: int = 0
    failed: int = 0
    open: int = 0
    held: int = 0
    failed_ids: Sequence[int] = ()
    output: str | None = None
    oldest_due_seconds: float = 0.0

    @property
    def records(self) -> int:
        """All of them."""
        return self.succeeded + self.failed + self.open + self.held

    @property
    def all_failed(self) -> bool:
        """Whether there is nothing but failures."""
        return bool(self.failed) and not (self.succeeded or self.open)


def step_states(
    connection: Connection, window: Window, steps: Sequence[str], *, sample: int = 20
) -> dict[str, StepState]:
    """How these steps of the window's records are; no entry for a step of which none has a row."""
    rows = connection.execute(
        """
        SELECT l.step, count(*) FILTER (WHERE status = 'succeeded'),
               count(*) FILTER (WHERE status = 'succeeded' AND output_fingerprint IS NULL),
               count(*) FILTER (WHERE status = 'failed' AND hold_reason IS NULL),
               count(*) FILTER (WHERE status IN ('pending', 'running') AND hold_reason IS NULL),
               count(*) FILTER (WHERE status <> 'succeeded' AND hold_reason IS NOT NULL),
               (array_agg(record_id ORDER BY record_id)
                   FILTER (WHERE status = 'failed' AND hold_reason IS NULL))[1:%(sample)s],
               md5(string_agg(record_id || ':' || coalesce(output_fingerprint, ''), ' '
                   ORDER BY record_id) FILTER (WHERE status = 'succeeded')),
               coalesce(extract(epoch FROM now() - min(l.due_at)
                   FILTER (WHERE l.due_at <= now() AND hold_reason IS NULL)), 0)::float8
        FROM records r JOIN ledger l ON l.record_id = r.id
        WHERE r.line = %(line)s AND r.recorded_at >= %(start)s AND r.recorded_at < %(end)s
          AND l.step = ANY(%(steps)s)
        GROUP BY l.step
        """,
        {**window.values, "steps": list(steps), "sample": sample},
    ).fetchall()
    return {
        step: StepState(succeeded, nothing, failed, unfinished, held, ids or (), output, oldest)
        for step, succeeded, nothing, failed, unfinished, held, ids, output, oldest in rows
    }
