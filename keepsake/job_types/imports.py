"""Jobs that take in files of many records, which were handed in and lie in the object store."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path, PurePosixPath

from keepsake.clients.objects import MissingObject, ObjectStore, open_objects
from keepsake.database import connect, database_url
from keepsake.errors import InvalidInput
from keepsake.http.imports import JOB_TYPE
from keepsake.jobs.context import JobContext
from keepsake.jobs.files import JobFile, drop_file, find_file
from keepsake.jobs.registry import JobData, Retry, job
from keepsake.jobs.rows import hold
from keepsake.lines import module_of
from keepsake.owners.owners import Owner, find_owner
from keepsake.records.batches import StartedBatch, recount_batch, reopen_batch
from keepsake.records.deletion import sweep
from keepsake.settings import Settings


@job(
    JOB_TYPE,
    JobData,
    description="Takes in a file of many records, which was handed in with a batch.",
    retry=Retry(attempts=5, min_seconds=60, max_seconds=600),
    timeout=timedelta(hours=6),
    concurrency_key=lambda owner_id, data: f"{JOB_TYPE}/{owner_id}",
    whose="owner",
    permission="ingest",
    offered=False,  # it needs a file and a batch
)
async def ingest_history(context: JobContext, data: JobData) -> dict[str, int]:
    """Take in the job's file as its batch. What an earlier attempt has added is recognised.

    A batch whose job ends in another way is closed by a trigger, with the reason.

    Raises:
        InvalidInput: the job has no file, or its file cannot be taken in.
        StepError: the object store does not give the file, or take what is in it.
    """
    settings, owner_id = context.settings, context.owner_id
    assert owner_id is not None  # noqa: S101  # the type says so
    objects = open_objects(settings)
    batch, file = await _begin(context, owner_id)
    load_import = module_of(batch.line).load_import
    if load_import is None:
        raise InvalidInput(f"records of the line {batch.line} do not come in by files of many")
    owner = await asyncio.to_thread(_owner, settings, owner_id)
    async with _fetched(settings, objects, file.key) as path:
        await load_import()(
            context.pool,
            objects,
            settings,
            owner,
            path,
            batch_id=batch.id,
            hold=partial(hold, fence=context.fence),
        )
    async with context.transaction() as connection:
        counts = await recount_batch(connection, owner_id, batch.id)
        await drop_file(connection, context.fence.job_id)
    await asyncio.to_thread(_sweep, settings, objects)
    return {"batch": batch.id, **counts}


async def _begin(context: JobContext, owner_id: int) -> tuple[StartedBatch, JobFile]:
    """The job's batch, open again if an earlier attempt has closed it, and its file."""
    job_id = context.fence.job_id
    async with context.transaction() as connection:
        batch = await reopen_batch(connection, owner_id, job_id)
        file = await find_file(connection, owner_id, job_id)
    if batch is None or file is None:
        raise InvalidInput(
            "this job has no file: send one to POST /api/activities or /api/bookmarks/imports, "
            "which submit the job with it"
        )
    return batch, file


def _owner(settings: Settings, owner_id: int) -> Owner:
    with connect(database_url(settings)) as connection:
        return find_owner(connection, str(owner_id))


@asynccontextmanager
async def _fetched(settings: Settings, objects: ObjectStore, key: str) -> AsyncIterator[Path]:
    """A copy of the file on this machine, for the length of the block."""
    path = settings.incoming_folder / f"{uuid.uuid4().hex}{PurePosixPath(key).suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        try:
            await objects.get_file(key, path)
        except MissingObject:
            # What was accepted before imports were jobs waits in the data folder.
            waiting = settings.home / key
            if not waiting.is_file():
                raise
            await objects.move_file(key, waiting)
            await objects.get_file(key, path)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _sweep(settings: Settings, objects: ObjectStore) -> None:
    """Delete the file. If the store fails, a later sweep does so."""
    with connect(database_url(settings)) as connection:
        asyncio.run(sweep(connection, objects))
