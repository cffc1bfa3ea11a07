"""Jobs that keep the installation in order."""

import asyncio
from dataclasses import asdict

from keepsake.clean_up import CleanedUp
from keepsake.clean_up import clean_up as delete_old
from keepsake.clients.objects import open_objects
from keepsake.database import connect, database_url
from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import JobData, Retry, job
from keepsake.settings import Settings


@job(
    "clean_up",
    JobData,
    description="Deletes what was kept long enough: attempts, sign-ins, the audit log, objects.",
    retry=Retry(attempts=3, min_seconds=60, max_seconds=600),
    concurrency_key=lambda owner_id, data: "clean_up",
    whose="system",
)
async def clean_up(context: JobContext, data: JobData) -> dict[str, int]:
    """Do now what the schedule of that name does every night.

    Raises:
        RetryableError: the store does not delete objects.
    """
    return asdict(await asyncio.to_thread(_clean_up, context.settings))


def _clean_up(settings: Settings) -> CleanedUp:
    with connect(database_url(settings)) as connection:
        return delete_old(connection, open_objects(settings), settings)
