"""Attempts at jobs: claimed by a worker, and how they end.

A worker holds an advisory lock that ends with its connection, and claims over that connection: a
worker that is gone claims nothing, and its lock says at once that its attempts are over. The number
of an attempt is its fencing token: no statement here writes for an attempt that has another number
than the row, or that does not run any more.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from socket import gethostname
from typing import Any, LiteralString

from psycopg.errors import LockNotAvailable, UniqueViolation
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from keepsake.database import AsyncConnection
from keepsake.errors import (
    InvalidInput,
    KeepsakeError,
    PermanentError,
    RetryableError,
    SettingsError,
)
from keepsake.jobs.counted import Ended, counted
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
from keepsake.logs import where
from keepsake.metrics import totals
from keepsake.text.names import printable
from keepsake.traces.spans import fail, note, span

log = logging.getLogger(__name__)

LONGEST_ERROR = 2_000  # characters
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

    def said(self) -> str:
        """The same for a log."""
        error = f" ({self.error_type})" if self.error_type else ""
        again = self.again_in
        when = f", again in {again.total_seconds():.0f} s" if again is not None else ""
        return f"{self.outcome.replace('_', ' ')}{error}{when}"


GIVE_BACK = End("given_back", again_in=timedelta())


def attempt_span(job: Claimed) -> AbstractContextManager[None]:
    """The span of an attempt."""
    return span(
        f"job {job.type}",
        {
            "keepsake.job.id": job.id,
            "keepsake.job.type": job.type,
            "keepsake.attempt": job.attempt,
        },
        kind="CONSUMER",
    )


def trace_end(how: End) -> None:
    """Add to an attempt's span how it ended."""
    note({"keepsake.outcome": how.outcome})
    if how.error_type is not None:
        fail(how.error_type)


def timed_out(job: Claimed) -> End:
    """How an attempt ends that took too long."""
    seconds = job.timeout.total_seconds()
    return End(
        "timed_out",
        error_type="TimedOut",
        error=f"an attempt may take {seconds:g} s, and this one was stopped then",
        again_in=job.pause(),
    )


def failed(job: Claimed, error: Exception) -> End:
    """How an attempt ends that raised.

    What an unexpected error says may quote a person, and is left out.
    """
    name = type(error).__name__
    pause = job.pause()
    if isinstance(error, InvalidInput | SettingsError | PermanentError):
        pause = None  # it would fail again
    elif pause and isinstance(error, RetryableError) and error.retry_after:
        pause = max(pause, timedelta(seconds=error.retry_after))
    message = str(error)
    if not isinstance(error, KeepsakeError):
        message = "an unexpected error: the job's log says where it was raised"
        log.error("an unexpected error: %s", where(error))
    stored = printable(message, instead=" ")[:LONGEST_ERROR]
    return End("failed", error_type=name, error=stored, again_in=pause)


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
    await give_turns(connection)
    async with connection.cursor(row_factory=class_row(Claimed)) as cursor:
        await cursor.execute(_CLAIM, values)
        return await cursor.fetchall()


async def claim_for_run(
    connection: AsyncConnection, worker_id: int | None, fence: Fence, run_id: str
) -> Claimed | None:
    """Begin the attempt that a run of Dagster is. None: it is not to be made, or no longer."""
    async with connection.cursor(row_factory=class_row(Claimed)) as cursor:
        await cursor.execute(
            _CLAIM_FOR_RUN,
            {"id": fence.job_id, "attempt": fence.attempt, "worker": worker_id, "run_id": run_id},
        )
        return await cursor.fetchone()


async def end_unbegun(
    connection: AsyncConnection, fence: Fence, run_id: str | None, how: Callable[[Claimed], End]
) -> bool:
    """Begin an attempt and end it at once: no run makes it. False: it is not to be made."""
    async with connection.transaction():
        job = await claim_for_run(connection, None, fence, run_id or "")
        return job is not None and await end(connection, fence, how(job))


async def find_running(connection: AsyncConnection, fence: Fence, run_id: str) -> Claimed | None:
    """The job at this attempt, if that run is it and it has not ended."""
    async with connection.cursor(row_factory=class_row(Claimed)) as cursor:
        await cursor.execute(
            "SELECT id, attempt, attempts_left, owner_id, user_id, nominal_time, type, data, retry,"
            " timeout FROM jobs"
            " WHERE id = %s AND attempt = %s AND status = 'running' AND run_id = %s",
            (fence.job_id, fence.attempt, run_id),
        )
        return await cursor.fetchone()


async def give_turns(connection: AsyncConnection) -> None:
    """Give the turn of each concurrency key that is free to the first job that waits for it."""
    with suppress(UniqueViolation):  # another worker gives the same turn
        await connection.execute(_GIVE_TURNS)


# For each key that has nobody's turn, and jobs that are due, it is the first one's. From then on it
# is in line with the jobs of other keys: a long line behind one key does not go before theirs.
_GIVE_TURNS = """
    WITH RECURSIVE keys AS (
        (SELECT concurrency_key AS key FROM jobs
         WHERE status = 'pending' AND NOT has_turn ORDER BY 1 LIMIT 1)
        UNION ALL
        SELECT (SELECT concurrency_key FROM jobs
                WHERE status = 'pending' AND NOT has_turn AND concurrency_key > key
                ORDER BY 1 LIMIT 1)
        FROM keys WHERE key IS NOT NULL)
    UPDATE jobs SET has_turn = true, due_at = now()
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


_CLAIM_FOR_RUN = """
    UPDATE jobs SET status = 'running', attempt = attempt + 1, attempts_left = attempts_left - 1,
        started_at = now(), worker_id = %(worker)s, run_id = nullif(%(run_id)s, ''),
        last_synced_at = now(), error_type = NULL, error = NULL
    WHERE id = %(id)s AND attempt = %(attempt)s - 1 AND executor = 'dagster'
      AND status = 'pending' AND has_turn AND due_at <= now()
      AND (attempt > 0 OR expires_at IS NULL OR expires_at > now())
    RETURNING id, attempt, attempts_left, owner_id, user_id, nominal_time, type, data, retry,
              timeout
"""


async def end(connection: AsyncConnection, fence: Fence, how: End) -> bool:
    """End an attempt, and its job unless there is another. False: the attempt did not count."""
    return bool(await end_all(connection, {fence: how}))


async def end_all(connection: AsyncConnection, ends: Mapping[Fence, End]) -> list[Fence]:
    """End attempts in one transaction, and return those that counted."""
    counting: dict[Fence, Ended] = {}
    async with connection.transaction():
        for fence, how in ends.items():
            if (ended := await _end(connection, fence, how)) is not None:
                counting[fence] = ended
        if any(ended.status == "pending" for ended in counting.values()):
            await wake_workers(connection)
        await totals.add(connection, counted(counting.values()))
    return list(counting)


async def _end(connection: AsyncConnection, fence: Fence, how: End) -> Ended | None:
    cursor = await connection.execute(
        _FINISH if how.again_in is None else _AGAIN,
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
    row = await cursor.fetchone()
    return None if row is None else Ended(*row)


def _ending(changes: LiteralString) -> LiteralString:
    return f"""
        WITH was AS (
            SELECT id, due_at FROM jobs
            WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'running' FOR UPDATE),
        ended AS (
            UPDATE jobs SET {changes}, error_type = %(error_type)s, error = %(error)s
            FROM was WHERE jobs.id = was.id
            RETURNING jobs.id, owner_id, attempt, worker_id, run_id, started_at, type, status,
                      extract(epoch FROM now() - started_at)::float8 AS seconds,
                      extract(epoch FROM started_at - was.due_at)::float8 AS delay),
        noted AS (
            INSERT INTO job_attempts (job_id, owner_id, attempt, worker_id, run_id, started_at,
                                      outcome, error_type, error)
            SELECT id, owner_id, attempt, worker_id, run_id, started_at, %(outcome)s,
                   %(error_type)s, %(error)s
            FROM ended)
        SELECT type, status, seconds, delay FROM ended
    """  # noqa: S608


_FINISH = _ending(f"status = %(outcome)s, result = %(result)s, {ENDED}")
# What was given back did not fail: it has as many attempts left as before.
_AGAIN = _ending(
    "status = 'pending', due_at = now() + %(again_in)s, has_turn = concurrency_key IS NULL,"
    " attempts_left = attempts_left + (%(outcome)s = 'given_back')::int"
)
