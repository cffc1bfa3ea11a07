"""The week's interview prompts, for each family in its own morning."""

import asyncio

import dagster as dg

from keepsake.family.weekly_prompts import deliver, families_waiting
from keepsake.settings import load_settings
from resources.database import DatabaseResource


@dg.op(description="Sends each waiting family the interview prompts of the week, once.")
def deliver_prompts(context: dg.OpExecutionContext, database: DatabaseResource) -> None:
    """Deliver to every family that is waiting; one that fails does not hold back the others."""
    settings = load_settings()
    failed = 0
    with database.connect() as connection:
        for waiting in families_waiting(connection, settings.quote_hour):
            delivery = asyncio.run(deliver(connection, settings, waiting))
            if delivery is not None:
                failed += not delivery.sent
                context.log.info(f"family {waiting.family_id}: {delivery.detail}")
    if failed:
        raise dg.Failure(
            f"{failed} families could not be reached; see `deliveries`. They are tried again in a "
            "quarter of an hour, three times in all.",
            allow_retries=False,
        )


@dg.job(name="send_interview_prompts", description="The week's questions, by e-mail and others.")
def send_interview_prompts_job() -> None:
    """Deliver what is waiting."""
    deliver_prompts()


@dg.schedule(
    name="send_interview_prompts",
    job=send_interview_prompts_job,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks every quarter of an hour which family has prompts of this week that were "
    "not sent, where it is QUOTE_HOUR or later in its own time zone. A family gets them once.",
)
def send_interview_prompts(database: DatabaseResource) -> dg.RunRequest | dg.SkipReason:
    """A run, if any family is waiting for its prompts."""
    settings = load_settings()
    if not (settings.notify_urls.get_secret_value() or settings.notify_config):
        return dg.SkipReason("neither NOTIFY_URLS nor NOTIFY_CONFIG says where to send prompts")
    with database.connect() as connection:
        waiting = families_waiting(connection, settings.quote_hour)
    return dg.RunRequest() if waiting else dg.SkipReason("no family is waiting for its prompts")
