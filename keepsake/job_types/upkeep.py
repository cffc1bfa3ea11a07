"""Jobs that keep the installation in order."""

import asyncio

from keepsake.clients.objects import open_objects
from keepsake.database import connect, database_url
from keepsake.errors import RetryableError
from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import JobData, Retry, job
from keepsake.jobs.upkeep import remove_old
from keepsake.pipeline.ledger.attempts import delete_old_attempts
from keepsake.records.deletion import sweep
from keepsake.settings import Settings


@job(
    "clean_up",
    JobData,
    description="Deletes old jobs, old attempts at steps, and objects that nothing names any more.",
    retry=Retry(attempts=3, min_seconds=60, max_seconds=600),
    concurrency_key=lambda owner_id, data: "clean_up",
    whose="system",
)
async def clean_up(context: JobContext, data: JobData) -> dict[str, int]:
    """Delete what is old or loose.

    Raises:
        RetryableError: the store does not delete objects.
    """
    jobs = await remove_old(context.pool)
    await context.check_cancelled()
    attempts, objects = await asyncio.to_thread(_delete, context.settings)
    return {"jobs": jobs, "attempts": attempts, "objects": objects}


def _delete(settings: Settings) -> tuple[int, int]:
    with connect(database_url(settings)) as connection:
        attempts = delete_old_attempts(connection, settings.attempts_kept_days)
        swept = asyncio.run(sweep(connection, open_objects(settings)))
    if swept.reason:
        raise RetryableError(f"{swept.left} objects could not be deleted: {swept.reason}")
    return attempts, swept.deleted
