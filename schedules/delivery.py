"""What the schedules share that send each family something in its own morning."""

import asyncio

import dagster as dg

from keepsake.delivery.outbox import Result, deliver
from keepsake.family.mornings import MorningMessage, enqueue_due, families_due
from keepsake.settings import DeliverySettings
from resources.database import DatabaseResource


def enqueue_and_deliver(
    context: dg.OpExecutionContext,
    database: DatabaseResource,
    settings: DeliverySettings,
    message: MorningMessage,
) -> None:
    """Enqueue a message where it is due, and deliver the outbox; one that fails holds back none.

    Raises:
        Failure: saying how many could not be sent.
    """
    results = asyncio.run(_enqueue_and_deliver(database, settings, message))
    for result in results:
        context.log.info(str(result))
    if failed := sum(result.failed for result in results):
        raise dg.Failure(
            f"{failed} messages were not sent; see `keepsake messages`. Those that are pending are "
            "tried again by the sensor `outbox`.",
            allow_retries=False,
        )


async def _enqueue_and_deliver(
    database: DatabaseResource, settings: DeliverySettings, message: MorningMessage
) -> list[Result]:
    async with database.open_pool() as pool:
        await enqueue_due(pool, settings, message)
        return await deliver(pool, settings)


def run_if_due(
    database: DatabaseResource, settings: DeliverySettings, message: MorningMessage, *, what: str
) -> dg.RunRequest | dg.SkipReason:
    """A run, if `what` is due for any family and the settings say where to send it."""
    if not settings.sends_messages:
        return dg.SkipReason(f"neither NOTIFY_URLS nor NOTIFY_CONFIG says where to send {what}")
    due = asyncio.run(_any_due(database, settings, message))
    return dg.RunRequest() if due else dg.SkipReason(f"no family is due {what}")


async def _any_due(
    database: DatabaseResource, settings: DeliverySettings, message: MorningMessage
) -> bool:
    async with database.open_pool() as pool, pool.connection() as connection:
        return bool(await families_due(connection, settings, message))
