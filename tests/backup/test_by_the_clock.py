"""Backups without a person: tracked jobs, and Dagster's schedules."""

import asyncio

import dagster as dg
import pytest

from keepsake.backup.folder import Folder
from keepsake.database import open_pool
from keepsake.errors import PermanentError
from keepsake.job_types.backups import BackupOf, NewBackup, create_backup, verify_backup
from keepsake.jobs.context import JobContext
from keepsake.jobs.rows import Fence
from keepsake.settings import Settings
from schedules.backups import backup_schedules, create_backup_job, verify_backup_job
from tests.backup.conftest import Kept


async def context(kept: Kept) -> JobContext:
    async with open_pool(kept.url, size=1) as pool:  # closed: these types use none
        return JobContext(Fence(1, 1), None, None, None, pool, kept.settings)


@pytest.fixture
def nightly(kept: Kept) -> Kept:
    """Backups go where the settings say; only the last is kept."""
    none = dict.fromkeys(("backup_keep_daily", "backup_keep_weekly", "backup_keep_monthly"), 0)
    settings = kept.settings.model_copy(update={"backup_dir": str(kept.root), **none})
    return Kept(settings, kept.root)


async def test_a_job_backs_up_prunes_and_verifies(nightly: Kept) -> None:
    given = await context(nightly)
    first = await create_backup.run(given, NewBackup())
    second = await create_backup.run(given, NewBackup(prune=True))
    assert (first["removed"], second["removed"]) == (0, 1)
    verified = await verify_backup.run(given, BackupOf())
    assert verified["backup"] == second["backup"]
    assert verified["rows"] > 100


async def test_a_job_fails_for_good_on_a_damaged_backup(nightly: Kept) -> None:
    made = await asyncio.to_thread(nightly.back_up)
    (made.path / "database.dump").write_bytes(b"nothing")
    with pytest.raises(PermanentError, match=rf"the backup {made.name}: database.dump is damaged"):
        await verify_backup.run(await context(nightly), BackupOf())


async def test_a_job_says_that_objects_are_lost(nightly: Kept) -> None:
    (nightly.settings.objects_folder / nightly.keys()[0]).unlink()
    with pytest.raises(PermanentError, match="lacks 1 objects"):
        await create_backup.run(await context(nightly), NewBackup())


def run(job: dg.JobDefinition, settings: Settings) -> dg.ExecuteInProcessResult:
    return job.execute_in_process(resources={"settings": settings}, raise_on_error=False)


def test_the_schedules_back_up_prune_and_verify(nightly: Kept) -> None:
    assert run(create_backup_job, nightly.settings).success
    assert run(create_backup_job, nightly.settings).success
    (made,), _ = Folder(nightly.root).all()
    assert run(verify_backup_job, nightly.settings).success
    (made.path / "database.dump").write_bytes(b"nothing")
    assert not run(verify_backup_job, nightly.settings).success


@pytest.mark.parametrize(
    ("folder", "status"),
    [("/srv/backups", dg.DefaultScheduleStatus.RUNNING), ("", dg.DefaultScheduleStatus.STOPPED)],
)
def test_they_run_by_themselves_where_a_folder_is_named(
    folder: str, status: dg.DefaultScheduleStatus
) -> None:
    settings = Settings.model_validate({"backup_dir": folder})
    assert {each.default_status for each in backup_schedules(settings)} == {status}
