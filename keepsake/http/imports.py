"""Files of many records: accepted with a batch, and taken in by a job.

Such a file may take minutes. It lies in the object store, where a worker on any machine finds it,
until all of it was taken in. How a line reads its files is in its room; it says so in
`LineModule.load_import`. What the job does is in `keepsake/job_types/imports.py`.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi.responses import Response

from keepsake.database import AsyncConnection
from keepsake.errors import RetryableError
from keepsake.http.added import answer_batch
from keepsake.http.callers import OwnerCaller
from keepsake.http.idempotency import AskedOnce
from keepsake.jobs.files import keep_file
from keepsake.jobs.submission import NewJob, submit
from keepsake.records.batches import start_batch
from keepsake.records.received import ReceivedFile
from keepsake.records.uploads import named, to_upload

JOB_TYPE = "ingest_history"


async def accept_import(
    caller: OwnerCaller, asked: AskedOnce, line: str, file: ReceivedFile
) -> Response:
    """Keep a file to be taken in, and answer with its batch (202)."""

    async def answer(connection: AsyncConnection, batch_id: int, job_id: int) -> None:
        await asked.keep(connection, answer_batch(batch_id, job_id))

    await keep_import(caller, line, file, also=answer)
    return asked.response()


async def _nothing_more(_connection: AsyncConnection, _batch_id: int, _job_id: int) -> None:
    """What is written beside a batch, if nothing is."""


async def keep_import(
    caller: OwnerCaller,
    line: str,
    file: ReceivedFile,
    *,
    also: Callable[[AsyncConnection, int, int], Awaitable[None]] = _nothing_more,
) -> int:
    """Keep a file to be taken in; the id of its batch.

    `also` writes more, with the ids of the batch and its job, in the transaction that starts them.

    Raises:
        StepError: the object store does not take the file.
    """
    owner_id = caller.owner_id
    key = f"imports/{owner_id}/{uuid.uuid4().hex}{Path(file.name).suffix.lower()[:10]}"
    size = await asyncio.to_thread(lambda: file.path.stat().st_size)
    async with caller.transaction() as connection:
        await to_upload(connection, owner_id, [key], [])
    await file.store(caller.state.objects, key)
    async with caller.transaction() as connection:
        if await to_upload(connection, owner_id, [key], [key]):
            raise RetryableError("the object store took too long to take the file")
        new = NewJob(
            caller.state.registry.find(JOB_TYPE),
            owner_id=owner_id,
            user_id=caller.principal.user_id,
        )
        job_id = (await submit(connection, new)).id
        batch_id = await start_batch(connection, owner_id, line, file.name, job_id=job_id)
        await keep_file(connection, owner_id, job_id, key=key, name=file.name, size_bytes=size)
        await named(connection, owner_id, [key])
        await also(connection, batch_id, job_id)
    return batch_id
