"""What people do with many jobs at once: with all that a filter finds."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from keepsake.database import AsyncConnection
from keepsake.errors import InvalidInput
from keepsake.jobs.control import cancel, retry
from keepsake.jobs.listing import JobFilter, find_ids
from keepsake.jobs.rows import Status

MAY_BE_CANCELLED: Sequence[Status] = ("pending", "running")
IS_RETRIED: Sequence[Status] = ("failed", "timed_out", "orphaned")  # unless others are asked for


@dataclass(frozen=True)
class Changed:
    """What became of many jobs.

    Attributes:
        ids: of those that were changed, also as what another had submitted.
        refused: why others were not, by id.
    """

    ids: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def to_cancel(wanted: JobFilter) -> JobFilter:
    """Those that are not finished of what a filter finds."""
    return replace(wanted, statuses=wanted.statuses or MAY_BE_CANCELLED)


def to_retry(wanted: JobFilter) -> JobFilter:
    """Those that failed of what a filter finds, unless it names statuses itself."""
    return replace(wanted, statuses=wanted.statuses or IS_RETRIED)


async def cancel_found(connection: AsyncConnection, wanted: JobFilter) -> Changed:
    """Cancel what `to_cancel` finds, each in a transaction of its own.

    Raises:
        InvalidInput: there is no such status.
    """
    ids: set[int] = set()
    for job_id in await find_ids(connection, to_cancel(wanted)):
        with suppress(InvalidInput):  # it has been removed meanwhile
            done = await cancel(connection, job_id)
            ids |= {job_id, *done.children} if done.changed else set()
    return Changed(sorted(ids))


async def retry_found(connection: AsyncConnection, wanted: JobFilter) -> Changed:
    """Have tried again what `to_retry` finds, each in a transaction of its own.

    Raises:
        InvalidInput: there is no such status.
    """
    changed = Changed()
    for job_id in await find_ids(connection, to_retry(wanted)):
        try:
            await retry(connection, job_id)
            changed.ids.append(job_id)
        except InvalidInput as error:
            changed.refused[job_id] = str(error)
    return changed
