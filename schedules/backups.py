"""Backups by the clock: made and pruned by night, verified once a week."""

import asyncio
from collections.abc import Sequence
from typing import Any

import dagster as dg

from keepsake.backup.creation import create
from keepsake.backup.pruning import keep_of, prune
from keepsake.backup.verification import verify
from keepsake.settings import Settings

# The first one of a large store takes longer than the hour that a run may take.
_MAX_RUNTIME = {"dagster/max_runtime": str(12 * 3600)}


@dg.op(description="Backs up the database and the objects, and prunes older backups.")
def back_up(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Back up, then keep what BACKUP_KEEP_DAILY and the others say.

    Raises:
        Failure: rows name objects that are not in the store. The backup is there.
    """
    made = asyncio.run(create(settings, settings.backup_folder))
    context.log.info(
        f"{made.name}: {sum(made.manifest.rows.values())} rows, {made.manifest.objects} objects, "
        f"{made.manifest.added_bytes} bytes of them new, in {made.manifest.seconds:.0f} s"
    )
    pruned = prune(settings.backup_folder, keep_of(settings))
    context.log.info(f"{len(pruned.removed)} backups removed, {len(pruned.kept)} kept")
    if not made.complete:
        raise dg.Failure(
            f"{made.manifest.lost} objects that rows name are neither in the store nor in the "
            f"backup {made.name}: look for them in an older one",
            allow_retries=False,
        )


@dg.op(description="Restores the newest backup into a database of its own and reads every object.")
def verify_newest(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Verify the newest backup.

    Raises:
        Failure: it is damaged.
    """
    found, verified = asyncio.run(verify(settings, settings.backup_folder))
    if verified.problems:
        raise dg.Failure(
            f"the backup {found.name}: {'; '.join(verified.problems)}", allow_retries=False
        )
    context.log.info(f"{found.name}: {verified.rows} rows and {verified.objects} objects are well")


@dg.job(
    name="create_backup",
    description="A backup of the database and the objects.",
    tags=_MAX_RUNTIME,
)
def create_backup_job() -> None:
    """Back up and prune."""
    back_up()


@dg.job(name="verify_backup", description="Whether the newest backup is well.", tags=_MAX_RUNTIME)
def verify_backup_job() -> None:
    """Verify the newest backup."""
    verify_newest()


def backup_schedules(settings: Settings) -> Sequence[Any]:
    """Both schedules. They run by themselves where BACKUP_DIR says that backups are wanted."""
    status = (
        dg.DefaultScheduleStatus.RUNNING
        if settings.backup_dir
        else dg.DefaultScheduleStatus.STOPPED
    )
    return [
        dg.ScheduleDefinition(
            name="nightly_backup",
            job=create_backup_job,
            cron_schedule="15 2 * * *",
            execution_timezone="UTC",
            default_status=status,
            description="Every night a backup, if BACKUP_DIR is set; older ones are kept as "
            "BACKUP_KEEP_DAILY, BACKUP_KEEP_WEEKLY and BACKUP_KEEP_MONTHLY say.",
        ),
        dg.ScheduleDefinition(
            name="weekly_verification",
            job=verify_backup_job,
            cron_schedule="15 5 * * 0",
            execution_timezone="UTC",
            default_status=status,
            description="Every Sunday the newest backup is restored into a database of its own and "
            "compared, if BACKUP_DIR is set.",
        ),
    ]
