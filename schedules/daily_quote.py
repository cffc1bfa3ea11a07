"""The quote of the day, for each family in its own morning."""

import dagster as dg

from keepsake.family.daily_quote import DAILY_QUOTE
from keepsake.settings import Settings
from resources.database import DatabaseResource
from schedules.delivery import enqueue_and_deliver, run_if_due


@dg.op(description="Sends each family whose morning it is its quote of the day, once.")
def deliver_quotes(
    context: dg.OpExecutionContext,
    database: DatabaseResource,
    settings: dg.ResourceParam[Settings],
) -> None:
    """Enqueue what is due, and deliver the outbox."""
    enqueue_and_deliver(context, database, settings, DAILY_QUOTE)


@dg.job(name="daily_quote", description="The quote of the day, by e-mail, Slack, SMS and others.")
def daily_quote_job() -> None:
    """Deliver what is due."""
    deliver_quotes()


@dg.schedule(
    name="daily_quote",
    job=daily_quote_job,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Checks every quarter of an hour where it is QUOTE_HOUR in the family's own time "
    "zone. However often it runs, a family gets one quote a day.",
)
def daily_quote(
    database: DatabaseResource, settings: dg.ResourceParam[Settings]
) -> dg.RunRequest | dg.SkipReason:
    """A run, if a quote is due for any family."""
    return run_if_due(database, settings, DAILY_QUOTE, what="a quote")
