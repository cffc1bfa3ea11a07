"""Delivers the outbox: import messages, and what could not be sent at first."""

import asyncio

import dagster as dg

from keepsake.delivery.outbox import Result, deliver
from keepsake.settings import DeliverySettings, Settings
from resources.database import DatabaseResource

# After so many seconds no other message is begun: with one that takes its longest (`SEND_SECONDS`)
# this stays below the 60 s that Dagster allows a tick.
TICK_SECONDS = 20.0


@dg.sensor(
    name="outbox",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends the messages that are due, by NOTIFY_URLS and NOTIFY_CONFIG: imports that "
    "are done, and what could not be sent at first. A tick fails when a message is given up.",
)
def outbox(
    context: dg.SensorEvaluationContext,
    database: DatabaseResource,
    settings: dg.ResourceParam[Settings],
) -> dg.SkipReason:
    """Send what is due. It starts no run.

    Raises:
        Failure: messages were given up, or may not have arrived.
    """
    results = asyncio.run(_deliver(database, settings))
    for result in results:
        context.log.info(str(result))
    if given_up := sum(r.failed and r.status != "pending" for r in results):
        raise dg.Failure(f"{given_up} messages were not sent; see `keepsake messages`")
    sent = sum(result.status == "sent" for result in results)
    return dg.SkipReason(f"{sent} of {len(results)} messages sent" if results else "nothing is due")


async def _deliver(database: DatabaseResource, settings: DeliverySettings) -> list[Result]:
    async with database.open_pool() as pool:
        return await deliver(pool, settings, begin_within=TICK_SECONDS)
