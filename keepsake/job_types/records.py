"""Jobs on records."""

import asyncio
from datetime import timedelta

from keepsake.clients.objects import open_objects
from keepsake.database import connect, database_url
from keepsake.errors import InvalidInput, RetryableError
from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import JobData, Retry, job
from keepsake.jobs.rows import Fence, hold_blocking
from keepsake.records.deletion import RecordBusy, delete_record, sweep
from keepsake.settings import Settings
from keepsake.show.page import page_path


class RecordOf(JobData):
    """Which record, by its id."""

    record_id: int


@job(
    "delete_record",
    RecordOf,
    description="Deletes a record, all that was made of it, and its files. There is no way back.",
    retry=Retry(attempts=30, min_seconds=2, max_seconds=60),
    timeout=timedelta(minutes=10),
    whose="owner",
)
async def delete_a_record(context: JobContext, data: RecordOf) -> dict[str, int]:
    """Delete a record of the job's owner. While a run works on it, it is tried again later.

    Raises:
        InvalidInput: there is no such record.
        RetryableError: a run works on it, or the store does not delete its objects.
    """
    assert context.owner_id is not None  # noqa: S101  # the type says so
    gone = await asyncio.to_thread(
        _delete, context.settings, context.fence, context.owner_id, data.record_id
    )
    return {"records": 1, "objects": gone}


def _delete(settings: Settings, fence: Fence, owner_id: int, record_id: int) -> int:
    """Delete a record and sweep; how many objects are gone."""
    with connect(database_url(settings)) as connection:
        try:
            with connection.transaction():
                hold_blocking(connection, fence)
                delete_record(connection, owner_id, record_id)
        except RecordBusy as error:
            raise RetryableError(str(error)) from None
        except InvalidInput:
            # A former attempt may have deleted it, and died before it could say so.
            if fence.attempt == 1:
                raise
        page_path(settings, record_id).unlink(missing_ok=True)
        swept = asyncio.run(sweep(connection, open_objects(settings)))
    if swept.reason:
        raise RetryableError(f"{swept.left} objects could not be deleted: {swept.reason}")
    return swept.deleted
