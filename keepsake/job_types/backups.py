"""Jobs on backups."""

import asyncio
import logging
import time
from datetime import timedelta
from typing import Any

from pydantic import Field

from keepsake.backup.contents import Progress, Report
from keepsake.backup.creation import create
from keepsake.backup.pruning import keep_of, prune
from keepsake.backup.verification import verify
from keepsake.errors import PermanentError
from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import JobData, Retry, job

log = logging.getLogger(__name__)

LOG_SECONDS = 10.0
_RETRY = Retry(attempts=3, min_seconds=60, max_seconds=600)
_TIMEOUT = timedelta(hours=12)


class NewBackup(JobData):
    """Whether older backups are pruned afterwards, as BACKUP_KEEP_DAILY and the others say."""

    prune: bool = False


@job(
    "create_backup",
    NewBackup,
    description="Backs up the database and the objects that it names.",
    retry=_RETRY,
    timeout=_TIMEOUT,
    concurrency_key=lambda owner_id, data: "backups",
    whose="system",
)
async def create_backup(context: JobContext, data: NewBackup) -> dict[str, Any]:
    """Back up, and prune. A cancel leaves nothing behind.

    Raises:
        BackupError: there is no pg_dump for the server, or it failed.
        PermanentError: rows name objects that are not in the store. The backup is there.
    """
    settings = context.settings
    made = await create(settings, settings.backup_folder, _logging())
    removed: list[str] = []
    if data.prune:
        removed = (
            await asyncio.to_thread(prune, settings.backup_folder, keep_of(settings))
        ).removed
    if not made.complete:
        raise PermanentError(f"the backup {made.name} lacks {made.manifest.lost} objects")
    return {"backup": made.name, "objects": made.manifest.objects, "removed": len(removed)}


class BackupOf(JobData):
    """Which backup, by its name; without one, the newest."""

    name: str | None = Field(default=None, max_length=100)


@job(
    "verify_backup",
    BackupOf,
    description="Restores a backup into a database of its own and reads every object.",
    retry=_RETRY,
    timeout=_TIMEOUT,
    concurrency_key=lambda owner_id, data: "backups",
    whose="system",
)
async def verify_backup(context: JobContext, data: BackupOf) -> dict[str, Any]:
    """Verify a backup.

    Raises:
        InvalidInput: there is no such backup.
        PermanentError: it is damaged.
        BackupError: it could not be verified.
    """
    settings = context.settings
    found, verified = await verify(settings, settings.backup_folder, data.name, _logging())
    if verified.problems:
        raise PermanentError(f"the backup {found.name}: {'; '.join(verified.problems)}")
    return {"backup": found.name, "rows": verified.rows, "objects": verified.objects}


def _logging() -> Report:
    """A report to the job's log, every few seconds."""
    next_at = 0.0

    def report(progress: Progress) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + LOG_SECONDS
            of = "" if progress.total is None else f" of {progress.total}"
            log.info("%s: %d%s", progress.what, progress.done, of)

    return report
