"""Deleting what has been kept long enough: attempts at steps, sign-ins, the audit log."""

import dagster as dg

from keepsake.accounts.retention import (
    delete_old_requests,
    delete_old_sign_ins,
    delete_old_writes,
)
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


@dg.op(description="Deletes sessions that are over, and the audit log after AUDIT_KEPT_DAYS.")
def delete_sign_ins(
    context: dg.OpExecutionContext,
    database: DatabaseResource,
    settings: dg.ResourceParam[Settings],
) -> None:
    """Delete sessions that are over, and entries that are too old."""
    with database.connect() as connection:
        sign_ins = delete_old_sign_ins(connection)
        writes = delete_old_writes(connection, settings.audit_kept_days)
        requests = delete_old_requests(connection)
    context.log.info(
        f"{sign_ins} sign-ins, {writes} entries of the audit log, {requests} requests deleted"
    )


@dg.job(name="clean_up", description="Deletes what has been kept long enough.")
def clean_up_job() -> None:
    """Delete what is too old; one part does not wait for another."""
    delete_attempts()
    delete_sign_ins()


clean_up = dg.ScheduleDefinition(
    name="clean_up",
    job=clean_up_job,
    cron_schedule="15 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: attempts at steps are kept for ATTEMPTS_KEPT_DAYS, the audit log for "
    "AUDIT_KEPT_DAYS.",
)
