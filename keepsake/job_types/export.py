"""Jobs that give an owner all that it has."""

import asyncio
import uuid
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from keepsake.clients.objects import ObjectStore, open_objects
from keepsake.database import connect, database_url
from keepsake.errors import RetryableError
from keepsake.export import Exported
from keepsake.export import export_owner as write_export
from keepsake.jobs.context import JobContext
from keepsake.jobs.files import keep_file
from keepsake.jobs.registry import JobData, Retry, job
from keepsake.jobs.rows import Fence, check_blocking
from keepsake.metrics import totals
from keepsake.metrics.counts import counting
from keepsake.owners.owners import find_owner
from keepsake.records.uploads import named, to_upload
from keepsake.settings import Settings

LONGEST_UPLOAD = timedelta(hours=6)


@job(
    "export_owner",
    JobData,
    description="Puts all that an owner has into one archive: files, texts, and pages to read.",
    retry=Retry(attempts=3, min_seconds=30, max_seconds=600),
    timeout=timedelta(hours=12),
    concurrency_key=lambda owner_id, data: f"export_owner/{owner_id}",
    removal_delay=timedelta(days=7),  # a copy of everything should not lie about for long
    whose="owner",
)
async def export_owner(context: JobContext, data: JobData) -> dict[str, Any]:
    """Write the archive, and put it into the object store as the job's file.

    Raises:
        DiskFull: there is no room for it.
        RetryableError: the object store fails.
    """
    settings, owner_id = context.settings, context.owner_id
    assert owner_id is not None  # noqa: S101  # the type says so
    objects = open_objects(settings)
    path = settings.incoming_folder / f"{uuid.uuid4().hex}.zip"
    try:
        name, exported = await asyncio.to_thread(
            _write, settings, objects, context.fence, owner_id, path
        )
        await _store(context, objects, owner_id, path, name, exported)
    finally:
        path.unlink(missing_ok=True)
    return asdict(exported)


def _write(
    settings: Settings, objects: ObjectStore, fence: Fence, owner_id: int, path: Path
) -> tuple[str, Exported]:
    """Write the archive while the attempt counts; what people call it, and what it holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    url = database_url(settings)
    with connect(url) as connection:
        owner = find_owner(connection, str(owner_id))
        check = partial(check_blocking, connection, fence)
        exported = asyncio.run(write_export(url, objects, owner_id, path, check=check))
    return f"{owner.slug}.zip", exported


async def _store(
    context: JobContext,
    objects: ObjectStore,
    owner_id: int,
    path: Path,
    name: str,
    exported: Exported,
) -> None:
    """Put the archive into the store, and name it in the job's row."""
    key = f"exports/{owner_id}/{path.name}"
    async with context.transaction() as connection:
        await to_upload(connection, owner_id, [key], [], longest=LONGEST_UPLOAD)
    with counting() as counts:
        await objects.move_file(key, path, "application/zip")
    async with context.transaction() as connection:
        if await to_upload(connection, owner_id, [key], [key], longest=LONGEST_UPLOAD):
            raise RetryableError("the object store took too long to take the archive")
        await keep_file(
            connection,
            owner_id,
            context.fence.job_id,
            key=key,
            name=name,
            size_bytes=exported.size_bytes,
        )
        await named(connection, owner_id, [key])
        await totals.add(connection, counts)
