"""Tells owners that what they imported is done."""

import asyncio
import time

import dagster as dg

from keepsake.records.batches import complete_batches, tell
from keepsake.settings import load_settings
from resources.database import DatabaseResource

# After so many seconds no other message is begun: with one that takes its longest this stays well
# below the 60 s that Dagster allows a tick.
TICK_SECONDS = 25.0


@dg.sensor(
    name="imports_done",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the owner of an import, once, that all of its records are done: how many, "
    "how many failed, and what they cost. Sent by NOTIFY_URLS and NOTIFY_CONFIG.",
)
def imports_done(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SkipReason:
    """Tell of every batch that is complete. It starts no run."""
    settings = load_settings()
    deadline = time.monotonic() + TICK_SECONDS
    told = 0
    with database.connect() as connection:
        for batch in complete_batches(connection):
            if time.monotonic() > deadline:
                break
            how = asyncio.run(tell(connection, settings, batch))
            if how is not None:
                told += 1
                context.log.info(f"batch {batch.id}: {how}")
    return dg.SkipReason(f"{told} imports are done" if told else "no import has become complete")
