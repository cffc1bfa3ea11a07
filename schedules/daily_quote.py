"""The quote of the day, for each family in its own morning."""

import dagster as dg

from keepsake.family.daily_quote import deliver, families_waiting
from resources.database import DatabaseResource
from schedules.deliveries import deliver_to_all, run_if_waiting


@dg.op(description="Sends each waiting family its quote of the day, once.")
def deliver_quotes(context: dg.OpExecutionContext, database: DatabaseResource) -> None:
    """Deliver to every family that is waiting; one that fails does not hold back the others."""
    deliver_to_all(context, database, families_waiting, deliver)


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
    return run_if_waiting(database, families_waiting, what="a quote")
