"""The quote of the day, for each family in its own morning."""

import asyncio

import dagster as dg

from keepsake.family.daily_quote import deliver, families_waiting
from keepsake.settings import load_settings
from resources.database import DatabaseResource


@dg.op(description="Sends each waiting family its quote of the day, once.")
def deliver_quotes(context: dg.OpExecutionContext, database: DatabaseResource) -> None:
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


@dg.job(name="daily_quote", description="The quote of the day, by e-mail, Slack, SMS and others.")
def daily_quote_job() -> None:
    """Deliver what is waiting."""
    deliver_quotes()


@dg.schedule(
    name="daily_quote",
    job=daily_quote_job,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks every quarter of an hour where it is QUOTE_HOUR in the family's own time "
    "zone. However often it runs, a family gets one quote a day.",
)
def daily_quote(database: DatabaseResource) -> dg.RunRequest | dg.SkipReason:
    """A run, if any family is waiting for its quote."""
    settings = load_settings()
    if not (settings.notify_urls.get_secret_value() or settings.notify_config):
        return dg.SkipReason("neither NOTIFY_URLS nor NOTIFY_CONFIG says where to send quotes")
    with database.connect() as connection:
        waiting = families_waiting(connection, settings.quote_hour)
    if not waiting:
        return dg.SkipReason("no family is waiting for a quote")
    return dg.RunRequest()
