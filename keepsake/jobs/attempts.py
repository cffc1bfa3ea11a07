"""Attempts at jobs: claimed by a worker, and how they end.

A worker holds an advisory lock that ends with its connection, and claims over that connection: a
worker that is gone claims nothing, and its lock says at once that its attempts are over. The number
of an attempt is its fencing token: no statement here writes for an attempt that has another number
than the row, or that does not run any more.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from socket import gethostname
from typing import Any, LiteralString

from psycopg.errors import LockNotAvailable, UniqueViolation
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from keepsake.database import AsyncConnection
from keepsake.jobs.registry import Executor, Retry
from keepsake.jobs.rows import (
    ENDED,
    PRIORITIES,
    WORKER_LOCKS,
    WORKER_NAMES,
    Fence,
    Outcome,
    wake_workers,
)

LOCK_TIMEOUT_MS = 5_000  # for the server to notice by itself that a connection is gone


@dataclass(frozen=True)
class Claimed:
    """A job that a worker has to run now: its attempt is committed."""

    id: int
    attempt: int
    attempts_left: int
    owner_id: int | None
    user_id: int | None
    nominal_time: datetime | None
    type: str
    data: Mapping[str, Any]
    retry: Mapping[str, Any]
    timeout: timedelta

    @property
    def fence(self) -> Fence:
        """What its attempt writes with."""
        return Fence(self.id, self.attempt)

    def pause(self) -> timedelta | None:
        """Before the next attempt; None: there is none left."""
        retry = Retry.model_validate(self.retry)
        return retry.pause(self.attempt) if self.attempts_left > 0 else None


@dataclass(frozen=True)
class End:
    """How an attempt ended.

    Attributes:
        outcome: of the attempt; of the job too, unless there is another.
        result: what the job came to, with a JSON form.
        error_type: the class of the error.
        error: says what to do; holds no content.
        again_in: when there is another attempt; None: there is none.
    """

    outcome: Outcome
    result: Any = field(default=None)
    error_type: str | None = None
    error: str | None = None
    again_in: timedelta | None = None


async def become_worker(
    connection: AsyncConnection, worker_id: int | None = None, *, executor: Executor = "internal"
) -> int:
    """Take a new worker's lock, or one that was lost with a connection. Returns the worker's id.

    The server may not have noticed yet that the former connection is gone: then it is ended.

    Args:
        connection: which holds the lock, and has the worker's name from now on.
        worker_id: of the lock that was lost.
        executor: whose jobs it runs.
    """
    if worker_id is None:
        cursor = await connection.execute("SELECT nextval('job_workers')")
        (worker_id,) = await cursor.fetchone() or (0,)
    lock = (WORKER_LOCKS + worker_id,)
    await connection.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}".encode())
    try:
        await connection.execute("SELECT pg_advisory_lock(%s)", lock)
    except LockNotAvailable:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks"
            " WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            " AND (classid::bigint << 32) + objid::bigint = %s",
            lock,
        )
        await connection.execute("SELECT pg_advisory_lock(%s)", lock)
    await connection.execute("RESET lock_timeout")
    # By it `living.py`, and whoever looks at the server's connections, know what this is.
    name = f"{WORKER_NAMES[executor]} {worker_id} on {gethostname()}"
    await connection.execute("SELECT set_config('application_name', %s, false)", (name,))
    return worker_id


async def claim(
    connection: AsyncConnection,
    worker_id: int,
    types: Sequence[str],
    *,
    executor: Executor = "internal",
    limit: int = 1,
) -> list[Claimed]:
    """Begin attempts at the jobs that are due: urgent ones first, then those that are due longest.

    Args:
        connection: the one that holds the worker's lock.
        worker_id: of the worker.
        types: those it can run.
        executor: what it is.
        limit: the most jobs.
    """
    values = {
        "worker": worker_id,
        "types": list(types),
        "executor": executor,
        "limit": limit,
        "priorities": sorted(PRIORITIES.values(), reverse=True),
    }
    with suppress(UniqueViolation):  # another worker gives the same turn
        await connection.execute(_GIVE_TURNS)
    async with connection.cursor(row_factory=class_row(Claimed)) as cursor:
        await cursor.execute(_CLAIM, values)
        return await cursor.fetchall()


# For each key that has nobody's turn, and jobs that are due, it is the first one's.
_GIVE_TURNS = """
    WITH RECURSIVE keys AS (
        (SELECT concurrency_key AS key FROM jobs
         WHERE status = 'pending' AND NOT has_turn ORDER BY 1 LIMIT 1)
        UNION ALL
        SELECT (SELECT concurrency_key FROM jobs
                WHERE status = 'pending' AND NOT has_turn AND concurrency_key > key
                ORDER BY 1 LIMIT 1)
        FROM keys WHERE key IS NOT NULL)
    UPDATE jobs SET has_turn = true
    FROM keys CROSS JOIN LATERAL (
        SELECT id FROM jobs
        WHERE status = 'pending' AND NOT has_turn AND concurrency_key = key AND due_at <= now()
        ORDER BY priority DESC, due_at, id LIMIT 1) AS next
    WHERE jobs.id = next.id AND status = 'pending'
      AND NOT EXISTS (SELECT FROM jobs taken
                      WHERE taken.concurrency_key = key AND taken.has_turn
                        AND taken.status IN ('pending', 'running'))
"""

# A range of the index for each priority, so that urgent jobs that are not due yet cost nothing.
_CLAIM = """
    WITH mine AS MATERIALIZED (
        SELECT j.id FROM unnest(%(priorities)s::smallint[]) AS of(priority)
        CROSS JOIN LATERAL (
            SELECT id FROM jobs
            WHERE status = 'pending' AND has_turn AND executor = %(executor)s
              AND priority = of.priority AND due_at <= now() AND type = ANY(%(types)s)
              AND (attempt > 0 OR expires_at IS NULL OR expires_at > now())
            ORDER BY due_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS j
        LIMIT %(limit)s)
    UPDATE jobs SET status = 'running', attempt = attempt + 1, attempts_left = attempts_left - 1,
        started_at = now(), worker_id = %(worker)s, run_id = NULL, error_type = NULL, error = NULL
    FROM mine WHERE jobs.id = mine.id
    RETURNING jobs.id, attempt, attempts_left, owner_id, user_id, nominal_time, type, data,
              retry, timeout
"""


async def end(connection: AsyncConnection, fence: Fence, how: End) -> bool:
    """End an attempt, and its job unless there is another. False: the attempt did not count."""
    again = how.again_in is not None
    cursor = await connection.execute(
        _AGAIN if again else _FINISH,
        {
            "id": fence.job_id,
            "attempt": fence.attempt,
            "outcome": how.outcome,
            "result": None if how.result is None else Jsonb(how.result),
            "error_type": how.error_type,
            "error": how.error,
            "again_in": how.again_in,
        },
    )
    if again and cursor.rowcount:
        await wake_workers(connection)
    return cursor.rowcount == 1


def _ending(changes: LiteralString) -> LiteralString:
    return f"""
        WITH ended AS (
            UPDATE jobs SET {changes}, error_type = %(error_type)s, error = %(error)s
            WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'running'
            RETURNING id, owner_id, attempt, worker_id, run_id, started_at)
        INSERT INTO job_attempts (job_id, owner_id, attempt, worker_id, run_id, started_at, outcome,
                                  error_type, error)
        SELECT id, owner_id, attempt, worker_id, run_id, started_at, %(outcome)s, %(error_type)s,
               %(error)s
        FROM ended
    """  # noqa: S608


_FINISH = _ending(f"status = %(outcome)s, result = %(result)s, {ENDED}")
# What was given back did not fail: it has as many attempts left as before.
_AGAIN = _ending(
    "status = 'pending', due_at = now() + %(again_in)s, has_turn = concurrency_key IS NULL,"
    " attempts_left = attempts_left + (%(outcome)s = 'given_back')::int"
)
