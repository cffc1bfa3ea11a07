"""Jobs on records."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import LiteralString

from pydantic import Field

from keepsake.clients.objects import open_objects
from keepsake.database import Connection, connect, database_url
from keepsake.errors import InvalidInput, RetryableError
from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import JobData, Retry, job
from keepsake.jobs.rows import Fence, hold_blocking
from keepsake.records.deletion import RecordBusy, delete_owner, delete_record, sweep
from keepsake.settings import Settings
from keepsake.show.page import page_path

AT_ONCE = 500  # ids of records that are read together


class RecordOf(JobData):
    """Which record, by its id."""

    record_id: int = Field(ge=1, le=2**63 - 1)


@job(
    "delete_record",
    RecordOf,
    description="Deletes a record, all that was made of it, and its files. There is no way back.",
    retry=Retry(attempts=30, min_seconds=2, max_seconds=60),
    timeout=timedelta(minutes=10),
    whose="owner",
    permission="edit",
    irreversible=True,
)
async def delete_a_record(context: JobContext, data: RecordOf) -> dict[str, int]:
    """Delete a record of the job's owner. While a run works on it, it is tried again later.

    Raises:
        InvalidInput: there is no such record.
        RetryableError: a run works on it, or the store does not delete its objects.
    """
    assert context.owner_id is not None  # noqa: S101  # the type says so
    return await asyncio.to_thread(
        _delete, context.settings, context.fence, context.owner_id, data.record_id
    )


def _delete(settings: Settings, fence: Fence, owner_id: int, record_id: int) -> dict[str, int]:
    """Delete a record and sweep; how many of each are gone."""
    records = 1
    with connect(database_url(settings)) as connection:
        try:
            _delete_one(connection, settings, fence, owner_id, record_id)
        except InvalidInput:
            # A former attempt may have deleted it, and died before it could say so.
            if fence.attempt == 1:
                raise
            records = 0
        return {"records": records, "objects": sweep_objects(connection, settings)}


def _delete_one(
    connection: Connection, settings: Settings, fence: Fence, owner_id: int, record_id: int
) -> None:
    """Delete a record while the attempt counts, and its page if there is one."""
    try:
        with connection.transaction():
            hold_blocking(connection, fence)
            delete_record(connection, owner_id, record_id)
    except RecordBusy as error:
        raise RetryableError(str(error)) from None
    page_path(settings, record_id).unlink(missing_ok=True)


def delete_records(
    connection: Connection,
    settings: Settings,
    fence: Fence,
    owner_id: int,
    which: LiteralString,
    values: Sequence[object],
) -> int:
    """Delete the records of an owner that a query finds, one by one; how many.

    `which` is a SELECT of their ids, `values` what it is given.
    """
    count = 0
    while page := connection.execute(f"{which} LIMIT {AT_ONCE}".encode(), values).fetchall():
        for (record_id,) in page:
            _delete_one(connection, settings, fence, owner_id, record_id)
        count += len(page)
    return count


def sweep_objects(connection: Connection, settings: Settings) -> int:
    """Delete the objects that no row names any more; how many.

    Raises:
        RetryableError: the store does not delete them.
    """
    swept = asyncio.run(sweep(connection, open_objects(settings)))
    if swept.reason:
        raise RetryableError(f"{swept.left} objects could not be deleted: {swept.reason}")
    return swept.deleted


class OwnerOf(JobData):
    """Which owner, by its short name."""

    owner: str


@job(
    "delete_owner",
    OwnerOf,
    description="Deletes an owner with all its records, files and accounts. There is no way back.",
    retry=Retry(attempts=30, min_seconds=2, max_seconds=60),
    timeout=timedelta(hours=6),
    whose="system",  # an owner's own jobs go with it
    irreversible=True,
)
async def delete_an_owner(context: JobContext, data: OwnerOf) -> dict[str, int]:
    """Delete an owner's records one by one, then the owner. A cancel leaves the rest.

    Raises:
        InvalidInput: there is no such owner.
        RetryableError: a run works on a record, or the store does not delete objects.
    """
    return await asyncio.to_thread(_delete_owner, context.settings, context.fence, data.owner)


def _delete_owner(settings: Settings, fence: Fence, slug: str) -> dict[str, int]:
    records, gone = 0, False
    with connect(database_url(settings)) as connection:
        row = connection.execute("SELECT id FROM owners WHERE slug = %s", (slug,)).fetchone()
        if row is None and fence.attempt == 1:
            raise InvalidInput(f"there is no owner {slug!r}: `keepsake owners` lists all")
        while row is not None and not gone:
            records += delete_records(
                connection,
                settings,
                fence,
                row[0],
                "SELECT id FROM records WHERE owner_id = %s ORDER BY id",
                row,
            )
            with connection.transaction():
                hold_blocking(connection, fence)
                gone = delete_owner(connection, row[0])
        return {"records": records, "objects": sweep_objects(connection, settings)}
