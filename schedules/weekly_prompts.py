"""The week's interview prompts, for each family in its own morning."""

import dagster as dg

from keepsake.family.weekly_prompts import deliver, families_waiting
from resources.database import DatabaseResource
from schedules.deliveries import deliver_to_all, run_if_waiting


@dg.op(description="Sends each waiting family the interview prompts of the week, once.")
def deliver_prompts(context: dg.OpExecutionContext, database: DatabaseResource) -> None:
    """Deliver to every family that is waiting; one that fails does not hold back the others."""
    deliver_to_all(context, database, families_waiting, deliver)


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
    return run_if_waiting(database, families_waiting, what="interview prompts")
