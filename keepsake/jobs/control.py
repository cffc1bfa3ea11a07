"""What people do with jobs: cancel them, and have them tried again."""

from dataclasses import dataclass

from psycopg.errors import UniqueViolation

from keepsake.database import AsyncConnection
from keepsake.errors import InvalidInput
from keepsake.jobs.counted import Ended, counted
from keepsake.jobs.rows import ENDED, Status, no_job, wake_workers
from keepsake.metrics import totals


@dataclass(frozen=True)
class Cancelled:
    """What a cancel did.

    Attributes:
        id: of the job.
        status: which it has now.
        changed: whether it was not finished before.
        children: the jobs that were cancelled with it.
    """

    id: int
    status: Status
    changed: bool
    children: tuple[int, ...] = ()


async def cancel(connection: AsyncConnection, job_id: int) -> Cancelled:
    """Cancel a job and the jobs that it has submitted. What is finished does not change.

    From the end of the transaction on nothing that the job's attempt writes counts. The attempt
    itself learns of it at once, and stops at its next check.

    Raises:
        InvalidInput: there is no such job, or the connection does not see it.
    """
    async with connection.transaction():
        status = await _lock(connection, job_id)
        if status not in ("pending", "running"):
            return Cancelled(job_id, status, changed=False)
        cancelled: dict[int, Ended] = {}
        # A child that was just submitting one of its own lets us wait, and has done so: look again.
        while found := await _cancel_all(connection, job_id):
            cancelled.update(found)
        await wake_workers(connection)
        await totals.add(connection, counted(cancelled.values()))
    return Cancelled(job_id, "cancelled", True, tuple(sorted(cancelled.keys() - {job_id})))


async def _lock(connection: AsyncConnection, job_id: int) -> Status:
    cursor = await connection.execute("SELECT status FROM jobs WHERE id = %s FOR UPDATE", (job_id,))
    row = await cursor.fetchone()
    if row is None:
        raise no_job(job_id)
    status: Status = row[0]
    return status


async def _cancel_all(connection: AsyncConnection, job_id: int) -> dict[int, Ended]:
    """Cancel what is not finished of a job and those below it, as they are now."""
    cursor = await connection.execute(
        f"""
        WITH RECURSIVE below AS (
            SELECT %s::bigint AS id
            UNION SELECT jobs.id FROM jobs JOIN below ON jobs.parent_id = below.id),
        open AS (
            SELECT id, status FROM jobs
            WHERE id IN (SELECT id FROM below) AND status IN ('pending', 'running')
            ORDER BY id FOR UPDATE),
        cancelled AS (
            UPDATE jobs SET status = 'cancelled', cancel_requested = true, {ENDED}
            FROM open WHERE jobs.id = open.id
            RETURNING jobs.id, owner_id, attempt, worker_id, run_id, started_at, type,
                      open.status AS was),
        attempts AS (
            INSERT INTO job_attempts (job_id, owner_id, attempt, worker_id, run_id, started_at,
                                      outcome)
            SELECT id, owner_id, attempt, worker_id, run_id, started_at, 'cancelled'
            FROM cancelled WHERE was = 'running')
        SELECT id, type, CASE WHEN was = 'running'
                              THEN extract(epoch FROM now() - started_at)::float8 END
        FROM cancelled
        """.encode(),  # noqa: S608
        (job_id,),
    )
    return {id: Ended(type, "cancelled", took) for id, type, took in await cursor.fetchall()}


async def retry(connection: AsyncConnection, job_id: int) -> None:
    """Have a finished job tried again, as often as its type says: the same row, due now.

    Raises:
        InvalidInput: there is no such job, it is not finished, it succeeded, or another with its
            tag is pending.
    """
    async with connection.transaction():
        status = await _lock(connection, job_id)
        if status == "succeeded":
            raise InvalidInput(f"job {job_id} succeeded: submit another one to do it once more")
        if status in ("pending", "running"):
            raise InvalidInput(f"job {job_id} is {status}: there is nothing to retry")
        try:
            async with connection.transaction():
                await connection.execute(_RETRY, (job_id,))
        except UniqueViolation:
            raise InvalidInput(
                f"another job with the tag of job {job_id} is pending, and does its work"
            ) from None
        await wake_workers(connection)


# It has begun before, or was cancelled or expired before it could: a ttl counts no more. The number
# of the next attempt is one that no run of Dagster has been asked for yet.
_RETRY = """
    UPDATE jobs SET status = 'pending', due_at = now(), expires_at = NULL, finished_at = NULL,
        remove_at = NULL, cancel_requested = false, result = NULL, error_type = NULL, error = NULL,
        attempt = attempt + (executor = 'dagster')::int,
        attempts_left = (retry ->> 'attempts')::int, has_turn = concurrency_key IS NULL
    WHERE id = %s
"""
