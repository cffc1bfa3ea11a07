"""Jobs as they go: server-sent events of a job, and of all that an owner has.

How a stream begins, waits and ends is that of `events.py`.
"""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent

from keepsake.accounts.principal import Principal
from keepsake.api.events import STREAM, stream
from keepsake.api.job_models import listed
from keepsake.errors import InvalidInput
from keepsake.http import jobs
from keepsake.http.callers import SignedIn
from keepsake.http.live import Watch
from keepsake.http.state import ForState
from keepsake.jobs.listing import JobFilter, count_jobs, find_job
from keepsake.jobs.rows import Status

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

MOST_COUNTED = 1_000  # of a status


class JobsNow(BaseModel):
    """How many jobs are not finished; no more than 1,000 are counted of a status."""

    open: dict[Status, int]


class JobChanged(BaseModel):
    """That a job is new, has another status, or is deleted."""

    job: int
    status: Status | Literal["deleted"]


class ChangedStates(BaseModel):
    """Jobs that have changed since the event before."""

    changes: list[JobChanged]


@router.get("/events", response_class=EventSourceResponse, responses=STREAM)
async def read_jobs_events(
    request: Request,
    state: ForState,
    caller: SignedIn,
    owner: Annotated[
        str | None,
        Query(description="Short name. Operators who name none follow jobs of the system."),
    ] = None,
) -> EventSourceResponse:
    """Follow all jobs of an owner: an event `open` at once, `jobs` with what changes."""
    reach = await jobs.reach_of(state, caller, owner)
    wanted = JobFilter(statuses=("pending", "running"), system=reach.owner_id is None)

    async def tell(watch: Watch) -> AsyncIterator[ServerSentEvent]:
        stale, changes = watch.stale, watch.take()
        if stale:
            async with reach.transaction() as connection:
                now = await count_jobs(connection, wanted, most=MOST_COUNTED)
            yield _event("open", JobsNow(open=now))
        elif changes:
            said = [{"job": each.id, "status": each.status} for each in changes]
            yield _event("jobs", ChangedStates.model_validate({"changes": said}))

    return _stream(request, reach, reach.owner_id, tell)


@router.get("/{job_id}/events", response_class=EventSourceResponse, responses=STREAM)
async def read_job_events(
    request: Request,
    job_id: Annotated[int, Path(ge=1, le=2**63 - 1, examples=[17])],
    state: ForState,
    caller: SignedIn,
) -> EventSourceResponse:
    """Follow a job: an event `job` at once and after each change of its status."""
    job, reach = await jobs.find(state, caller, job_id)

    async def tell(watch: Watch) -> AsyncIterator[ServerSentEvent]:
        if not (watch.stale or watch.take()):
            return
        watch.take()
        async with reach.transaction() as connection:
            try:
                now = await find_job(connection, job_id)
            except InvalidInput:
                watch.end()
        if watch.ended:
            yield ServerSentEvent("{}", event="deleted")
        else:
            yield _event("job", listed(now))

    return _stream(request, reach, job.owner_id, tell, job_id)


def _stream(
    request: Request,
    reach: jobs.Reach,
    owner_id: int | None,
    tell: Callable[[Watch], AsyncIterator[ServerSentEvent]],
    job_id: int | None = None,
) -> EventSourceResponse:
    live = reach.state.live_jobs
    live.check_room()

    def may_read(who: Principal) -> bool:
        return who.operator if owner_id is None else who.may(owner_id, "read")

    return stream(request, live.watch(owner_id or 0, job_id), tell, may_read)


def _event(name: str, content: BaseModel) -> ServerSentEvent:
    return ServerSentEvent(content.model_dump_json(), event=name)
