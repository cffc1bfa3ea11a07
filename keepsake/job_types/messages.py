"""Jobs that send messages to people."""

from datetime import timedelta

from keepsake.delivery.outbox import deliver
from keepsake.errors import SettingsError
from keepsake.family.daily_quote import DAILY_QUOTE
from keepsake.family.mornings import enqueue_due
from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import JobData, job


@job(
    "deliver_daily_quote",
    JobData,
    description="Sends each family whose morning it is its quote of the day, once.",
    timeout=timedelta(minutes=15),
    concurrency_key=lambda owner_id, data: "deliver_daily_quote",
    whose="system",
)
async def deliver_daily_quote(context: JobContext, data: JobData) -> dict[str, int]:
    """Enqueue the quotes that are due, and deliver the outbox.

    Raises:
        SettingsError: no setting says where to send them.
    """
    settings = context.settings
    if not settings.sends_messages:
        raise SettingsError("neither NOTIFY_URLS nor NOTIFY_CONFIG says where to send a quote")
    enqueued = await enqueue_due(context.pool, settings, DAILY_QUOTE)
    await context.check_cancelled()
    results = await deliver(context.pool, settings)
    return {
        "enqueued": enqueued,
        "sent": sum(result.status == "sent" for result in results),
        "failed": sum(result.failed for result in results),
    }
