"""Jobs that tell other programs what happens here."""

from datetime import timedelta

from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import Retry, job
from keepsake.webhooks.sending import Message, send

# Those of Standard Webhooks: at once, then over 75 hours.
PAUSES = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)


@job(
    "send_webhook",
    Message,
    description="Posts a message about an event to an endpoint of its owner.",
    retry=Retry(attempts=len(PAUSES) + 1, pauses=PAUSES),
    timeout=timedelta(minutes=1),
    concurrency_key=lambda owner_id, data: f"webhook/{data.endpoint_id}",
    whose="owner",
    offered=False,  # what happens is told by triggers
    waits=True,
)
async def send_webhook(context: JobContext, data: Message) -> dict[str, int]:
    """Send it; the status of the answer.

    Raises:
        PermanentError: the endpoint is gone or disabled, or nothing may be sent there.
        RetryableError: it did not take the message this time.
    """
    return await send(context, data)
