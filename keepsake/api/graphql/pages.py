"""Pages of jobs, as Relay has them: edges with cursors, and where the next page begins."""

import json
from dataclasses import replace
from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from keepsake.api.graphql.asked import Asked
from keepsake.api.graphql.limits import MOST_JOBS
from keepsake.api.graphql.types import Job, JobStatus, given, job_of
from keepsake.api.job_models import JobCursor, QueryFilters, job_filter
from keepsake.http.bodies import checked
from keepsake.http.cursors import decode, encode
from keepsake.http.problems import Problem
from keepsake.jobs.listing import find_jobs


@strawberry.input(description="Which jobs; what is absent does not matter.")
class JobFilter:
    """`job_models.Filters`, with metadata as an object."""

    status: list[JobStatus] | None = strawberry.field(default=None, description="One of these.")
    type: str | None = None
    tag: str | None = None
    tags: list[str] | None = strawberry.field(default=None, description="All of these.")
    metadata: JSON | None = strawberry.field(default=None, description="Which theirs contains.")
    parent: int | None = strawberry.field(default=None, description="The job that asked for it.")
    schedule: int | None = None
    since: datetime | None = strawberry.field(default=None, description="Submitted then or later.")
    until: datetime | None = strawberry.field(default=None, description="Submitted before then.")
    system: bool | None = strawberry.field(
        default=None, description="For operators: only those without an owner."
    )


@strawberry.type
class JobEdge:
    """A job of a page."""

    node: Job
    cursor: str


@strawberry.type
class PageInfo:
    """What is around a page."""

    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class JobConnection:
    """A page of jobs."""

    edges: list[JobEdge]
    page_info: PageInfo


async def page(
    asked: Asked, owner: str | None, wanted: JobFilter | None, first: int, after: str | None
) -> JobConnection:
    """A page of the newest jobs of an owner; to an operator who names none, of all.

    Raises:
        Problem: there is no such owner for the caller, or no such page.
        RequestValidationError: the filter is none.
    """
    if not 1 <= first <= MOST_JOBS:
        raise Problem("invalid_input", f"first: a page has 1 to {MOST_JOBS} jobs")
    reach = await asked.reach(owner)
    filters, before = _where(wanted, after, reach.owner_id or 0)
    async with asked.turn, reach.transaction() as connection:
        found = await find_jobs(
            connection, replace(job_filter(filters), before=before), limit=first + 1
        )
    edges = [
        JobEdge(
            node=job_of(row),
            cursor=encode(JobCursor(owner=reach.owner_id or 0, filters=filters, id=row.id)),
        )
        for row in found[:first]
    ]
    return JobConnection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=len(found) > first, end_cursor=edges[-1].cursor if edges else None
        ),
    )


def _where(
    wanted: JobFilter | None, after: str | None, owner_id: int
) -> tuple[QueryFilters, int | None]:
    """The filters, and before which job the page begins. A cursor has its filters inside.

    Raises:
        Problem: the cursor is none, or of other filters.
        RequestValidationError: the filter is none.
    """
    said = given(wanted)
    if "metadata" in said:
        said["metadata"] = json.dumps(said["metadata"])  # as an address has it
    filters = checked(said, QueryFilters, "filter")
    if after is None:
        return filters, None
    cursor = decode(JobCursor, after, owner_id)
    if wanted is not None and filters != cursor.filters:
        raise Problem("invalid_input", "after: this cursor is of a list with another filter")
    return cursor.filters, cursor.id
