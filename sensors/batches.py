"""Finds imports whose records are all done."""

import asyncio

import dagster as dg

from keepsake.import_messages import enqueue_import_messages
from resources.database import DatabaseResource


@dg.sensor(
    name="imports_done",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Notifies the owner of an import, once, that all of its records are done: how "
    "many, how many failed, and what they cost. The sensor `outbox` sends the message.",
)
def imports_done(database: DatabaseResource) -> dg.SkipReason:
    """Enqueue a message for each import that has become complete. It starts no run."""
    count = asyncio.run(_enqueue(database))
    return dg.SkipReason(f"{count} imports are done" if count else "no import has become complete")


async def _enqueue(database: DatabaseResource) -> int:
    async with database.open_pool() as pool:
        return await enqueue_import_messages(pool)
