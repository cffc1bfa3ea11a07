"""Keeping the history of attempts as long as the settings say."""

import dagster as dg

from keepsake.pipeline.ledger.attempts import delete_old_attempts
from keepsake.settings import Settings
from resources.database import DatabaseResource


@dg.op(description="Deletes attempts at steps that are older than ATTEMPTS_KEPT_DAYS.")
def delete_attempts(
    context: dg.OpExecutionContext,
    database: DatabaseResource,
    settings: dg.ResourceParam[Settings],
) -> None:
    """Delete what is too old, some thousand rows at a time."""
    with database.connect() as connection:
        deleted = delete_old_attempts(connection, settings.attempts_kept_days)
    context.log.info(f"{deleted} attempts deleted")


@dg.job(name="delete_old_attempts", description="Deletes the old part of the attempts' history.")
def delete_old_attempts_job() -> None:
    """Delete what is too old."""
    delete_attempts()


nightly_attempts = dg.ScheduleDefinition(
    name="delete_old_attempts",
    job=delete_old_attempts_job,
    cron_schedule="15 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: attempts at steps are stored for ATTEMPTS_KEPT_DAYS.",
)
