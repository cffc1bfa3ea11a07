"""The page on which people cancel or retry all jobs that a filter finds: counted first."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response

from keepsake.api import job_filters
from keepsake.api.job_filters import MOST_COUNTED, Asked
from keepsake.api.job_view import ForJobs, JobsView
from keepsake.errors import InvalidInput
from keepsake.http.jobs import ManyChanged, Reach, cancel_many, retry_many
from keepsake.jobs.bulk import to_cancel, to_retry
from keepsake.jobs.listing import JobFilter, count_jobs

router = APIRouter(prefix="/jobs/many", include_in_schema=False)

Action = Literal["cancel", "retry"]
ById = Annotated[int, Query(ge=0, le=2**63 - 1)]


@dataclass(frozen=True)
class _Change:
    """What may be done with many jobs.

    Attributes:
        which: of those that a filter finds.
        make: does it.
    """

    which: Callable[[JobFilter], JobFilter]
    make: Callable[[Reach, JobFilter], Awaitable[ManyChanged]]


_CHANGES = {"cancel": _Change(to_cancel, cancel_many), "retry": _Change(to_retry, retry_many)}


@router.get("/{action}")
async def count(view: ForJobs, asked: Annotated[Asked, Query()], action: Action) -> Response:
    """How many jobs it would be."""
    return await _show(view, asked, action)


@router.post("/{action}")
async def change(
    view: ForJobs,
    asked: Annotated[Asked, Query()],
    action: Action,
    after: ById = 0,
) -> Response:
    """Do it, to so many of them as one request may; the page says what became of them."""
    wanted = _wanted(view, asked)
    done = await _CHANGES[action].make(view.reach, replace(wanted, after=after or None))
    return await _show(view, asked, action, done)


async def _show(
    view: JobsView,
    asked: Asked,
    action: Action,
    done: ManyChanged | None = None,
) -> Response:
    wanted = _CHANGES[action].which(_wanted(view, asked))
    async with view.reach.transaction() as connection:
        counts = await count_jobs(connection, wanted, most=MOST_COUNTED + 1)
    return view.render(
        "jobs_many.html.j2",
        asked=asked,
        action=action,
        counts=counts,
        most=MOST_COUNTED,
        done=done,
        next=asked.link(f"/jobs/many/{action}", after=done.next) if done and done.next else None,
    )


def _wanted(view: JobsView, asked: Asked) -> JobFilter:
    """The filter.

    Raises:
        InvalidInput: a part of it cannot be read.
    """
    wanted, errors = job_filters.read(asked, view.reach.owner_id, view.zone)
    if errors:
        raise InvalidInput("; ".join(f"{name}: {what}" for name, what in errors.items()))
    return replace(wanted, before=None)
