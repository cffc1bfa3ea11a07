"""What the rest of the room shares: a job and its attempts as rows, and the right to write them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, LiteralString

from keepsake.database import AsyncConnection, Connection
from keepsake.errors import InvalidInput, KeepsakeError
from keepsake.jobs.counted import Ended, counted
from keepsake.metrics import totals

Status = Literal[
    "pending", "running", "succeeded", "failed", "cancelled", "expired", "timed_out", "orphaned"
]
STATUSES: tuple[Status, ...] = Status.__args__  # type: ignore[attr-defined]
Outcome = Literal["succeeded", "failed", "cancelled", "timed_out", "orphaned", "given_back"]

PRIORITIES = {"low": -10, "normal": 0, "urgent": 10}  # as records have them

CHANNEL = "keepsake_jobs"  # notified when there may be something to claim, or to stop
# Advisory locks of workers are above this number, those of records above the next power of two.
WORKER_LOCKS = 1 << 61
WORKER_NAMES = {
    "internal": "keepsake worker",
    "dagster": "keepsake run",
}  # of connections, by executor

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # and not a backslash before a `u0000`

# What every UPDATE sets that ends a job.
ENDED: LiteralString = (
    "finished_at = now(), remove_at = CASE WHEN NOT persistent THEN now() + removal_delay END"
)


@dataclass(frozen=True)
class Job:
    """A job as it is now. The columns are explained in `keepsake/migrations/`.

    `owner` is the owner's short name.
    """

    id: int
    owner_id: int | None
    owner: str | None
    user_id: int | None
    parent_id: int | None
    schedule_id: int | None
    nominal_time: datetime | None
    type: str
    tag: str | None
    executor: str
    data: Mapping[str, Any]
    metadata: Mapping[str, Any]
    tags: list[str]
    priority: int
    status: Status
    due_at: datetime
    expires_at: datetime | None
    attempt: int
    attempts_left: int
    timeout: timedelta
    concurrency_key: str | None
    run_id: str | None
    last_synced_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    success: bool | None
    result: Any
    error_type: str | None
    error: str | None
    cancel_requested: bool
    persistent: bool
    remove_at: datetime | None


@dataclass(frozen=True)
class Attempt:
    """An attempt that has ended."""

    attempt: int
    worker_id: int | None
    run_id: str | None
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    error_type: str | None
    error: str | None


@dataclass(frozen=True)
class LogLine:
    """A line of a job's log. Its message may have several lines itself."""

    id: int
    attempt: int
    at: datetime
    level: str
    message: str


class JobLost(KeepsakeError):
    """An attempt at a job is no longer the one that counts: it was cancelled or given up."""


@dataclass(frozen=True)
class Fence:
    """The right to write for a job: its id, and the number of the attempt that has it."""

    job_id: int
    attempt: int

    def lost(self) -> JobLost:
        """What to raise once another, or none, has it."""
        return JobLost(f"attempt {self.attempt} at job {self.job_id} was cancelled or given up")


def no_job(job_id: int) -> InvalidInput:
    """What to raise where there is no such job, or it is another owner's."""
    return InvalidInput(f"there is no job {job_id}: `keepsake jobs list` shows those there are")


async def check(connection: AsyncConnection, fence: Fence) -> None:
    """Check that an attempt is the one that counts.

    Raises:
        JobLost: its job was cancelled, or it was given up.
    """
    cursor = await connection.execute(_COUNTS, (fence.job_id, fence.attempt))
    if cursor.rowcount == 0:
        raise fence.lost()


def check_blocking(connection: Connection, fence: Fence) -> None:
    """`check` for code that is not asynchronous."""
    if connection.execute(_COUNTS, (fence.job_id, fence.attempt)).rowcount == 0:
        raise fence.lost()


async def hold(connection: AsyncConnection, fence: Fence) -> None:
    """Keep a running attempt from being cancelled or given up until the transaction ends.

    Raises:
        JobLost: it has been.
    """
    cursor = await connection.execute(_HOLD, (fence.job_id, fence.attempt))
    if cursor.rowcount == 0:
        raise fence.lost()


def hold_blocking(connection: Connection, fence: Fence) -> None:
    """`hold` for code that is not asynchronous."""
    if connection.execute(_HOLD, (fence.job_id, fence.attempt)).rowcount == 0:
        raise fence.lost()


_COUNTS: LiteralString = "SELECT FROM jobs WHERE id = %s AND attempt = %s AND status = 'running'"
_HOLD: LiteralString = f"{_COUNTS} FOR SHARE"


async def wake_workers(connection: AsyncConnection) -> None:
    """Have workers look, once the transaction is committed, whether there is something new."""
    await connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))


async def expire(connection: AsyncConnection, job_id: int | None = None) -> int:
    """End what was not begun while it was worth it: that job, or all. Returns how many."""
    async with connection.transaction():
        cursor = await connection.execute(
            f"UPDATE jobs SET status = 'expired', {ENDED} WHERE status = 'pending'"  # noqa: S608
            " AND attempt = 0 AND expires_at <= now()"
            " AND (%(id)s::bigint IS NULL OR id = %(id)s) RETURNING type, status".encode(),
            {"id": job_id},
        )
        expired = [Ended(*row) for row in await cursor.fetchall()]
        await totals.add(connection, counted(expired))
    return len(expired)


def check_json(document: Any, most: int, what: str) -> None:
    """Check that PostgreSQL takes a document as JSON, and that it has at most so many characters.

    Raises:
        InvalidInput: it does not.
    """
    try:
        text = json.dumps(document, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError):  # also half of a surrogate pair
        raise InvalidInput(f"{what} has a value that JSON has no form for") from None
    if _NUL.search(text):
        raise InvalidInput(f"{what} holds a character NUL, which PostgreSQL does not store")
    if len(text) > most:
        raise InvalidInput(f"{what} has {len(text):,} characters as JSON; at most {most:,}")
