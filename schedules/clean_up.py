"""Deleting what has been kept long enough, every night. The job of that name does it now."""

from typing import Any

import dagster as dg

from keepsake.clean_up import clean_up as delete_old
from keepsake.settings import Settings
from resources.database import DatabaseResource


@dg.op(description="Deletes old attempts at steps, sign-ins and writes, and objects without a row.")
def delete_what_is_old(
    context: dg.OpExecutionContext,
    database: DatabaseResource,
    objects: dg.ResourceParam[Any],
    settings: dg.ResourceParam[Settings],
) -> None:
    """Delete what is too old, some thousand rows at a time."""
    with database.connect() as connection:
        deleted = delete_old(connection, objects.store(), settings)
    context.log.info(", ".join(f"{count} {what}" for what, count in vars(deleted).items()))


@dg.job(name="clean_up", description="Deletes what has been kept long enough.")
def clean_up_job() -> None:
    """Delete what is too old."""
    delete_what_is_old()


clean_up = dg.ScheduleDefinition(
    name="clean_up",
    job=clean_up_job,
    cron_schedule="15 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: attempts at steps are kept for ATTEMPTS_KEPT_DAYS, the audit log for "
    "AUDIT_KEPT_DAYS; objects that no row names leave the store.",
)
