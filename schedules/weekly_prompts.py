"""The week's interview prompts, for each family in its own morning."""

import dagster as dg

from keepsake.family.weekly_prompts import WEEKLY_PROMPTS
from keepsake.settings import Settings
from resources.database import DatabaseResource
from schedules.delivery import enqueue_and_deliver, run_if_due


@dg.op(description="Sends each family whose morning it is the interview prompts of the week, once.")
def deliver_prompts(
    context: dg.OpExecutionContext,
    database: DatabaseResource,
    settings: dg.ResourceParam[Settings],
) -> None:
    """Enqueue what is due, and deliver the outbox."""
    enqueue_and_deliver(context, database, settings, WEEKLY_PROMPTS)


@dg.job(name="send_interview_prompts", description="The week's questions, by e-mail and others.")
def send_interview_prompts_job() -> None:
    """Deliver what is due."""
    deliver_prompts()


@dg.schedule(
    name="send_interview_prompts",
    job=send_interview_prompts_job,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Checks every quarter of an hour which family has prompts of this week that were "
    "not sent, where it is QUOTE_HOUR or later in its own time zone. A family gets them once.",
)
def send_interview_prompts(
    database: DatabaseResource, settings: dg.ResourceParam[Settings]
) -> dg.RunRequest | dg.SkipReason:
    """A run, if interview prompts are due for any family."""
    return run_if_due(database, settings, WEEKLY_PROMPTS, what="interview prompts")
