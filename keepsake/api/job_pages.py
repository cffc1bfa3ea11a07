"""The pages of jobs: which there are, what became of one, and what people do about it.

Who may do what is decided in `keepsake/http/jobs.py`. Schedules have pages of their own
(`schedule_pages.py`), and so has the form of a new job.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from keepsake.accounts.users import name_of
from keepsake.api import job_filters, job_words
from keepsake.api.job_filters import MOST_COUNTED, Asked
from keepsake.api.job_view import ForJobs, JobsView, view_of
from keepsake.http import jobs
from keepsake.http.callers import SignedIn
from keepsake.http.jobs import Reach
from keepsake.http.problems import Problem
from keepsake.http.state import ForState
from keepsake.jobs import listing
from keepsake.jobs.bulk import IS_RETRIED, MAY_BE_CANCELLED
from keepsake.jobs.listing import JobFilter
from keepsake.jobs.rows import Job, Status

ON_PAGE = 30  # jobs of a list
LINES = 200  # of a job's log, the newest
_TOLD = {
    "late": "it had ended before it could be cancelled: nothing was changed",
    "there": "it was waiting already, and does what you have asked for: no other was made",
}

router = APIRouter(prefix="/jobs", include_in_schema=False)

JobId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("")
async def show_jobs(view: ForJobs, asked: Annotated[Asked, Query()], seen: str = "") -> Response:
    """Jobs by what is asked of them; to a script that has seen these already, nothing."""
    if "" in view.request.query_params.values():  # of a form: the address to keep is without them
        return RedirectResponse(asked.link(), 303)
    wanted, errors = job_filters.read(asked, view.reach.owner_id, view.zone)
    found: list[Job] = []
    counts: Mapping[Status, int] = {}
    if not errors:
        found, counts = await _read(view.reach, wanted)
    state = _state(found, counts)
    if view.asks_for_part and seen == state:
        return Response(status_code=204)
    more = len(found) > ON_PAGE
    return view.render(
        "jobs_found.html.j2" if view.asks_for_part else "jobs.html.j2",
        status=422 if errors else 200,
        asked=asked,
        errors=errors,
        found=found[:ON_PAGE],
        older=asked.link(before=found[ON_PAGE - 1].id) if more else None,
        counts=counts,
        most=MOST_COUNTED,
        types=view.reach.state.registry.all(),
        state=state,
        to_cancel=_any(counts, asked, MAY_BE_CANCELLED),
        to_retry=_any(counts, asked, IS_RETRIED),
    )


async def _read(reach: Reach, wanted: JobFilter) -> tuple[list[Job], Mapping[Status, int]]:
    """A page of jobs and the first of the next, and how many there are of each status."""
    async with reach.transaction() as connection:
        found = await listing.find_jobs(connection, wanted, limit=ON_PAGE + 1)
        of_all = replace(wanted, statuses=(), before=None)
        counts = await listing.count_jobs(connection, of_all, most=MOST_COUNTED + 1)
    return found, counts


def _any(counts: Mapping[Status, int], asked: Asked, statuses: Sequence[Status]) -> bool:
    """Whether there are jobs that are shown of these statuses."""
    return any(each in counts and each in (asked.status or statuses) for each in statuses)


def _state(*shown: Any) -> str:
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


@router.get("/{job_id:int}")
async def show_job(
    request: Request,
    state: ForState,
    caller: SignedIn,
    job_id: JobId,
    seen: str = "",
    told: str = "",
) -> Response:
    """What became of a job; to a script that has seen that already, nothing."""
    job, reach = await jobs.find(state, caller, job_id)
    view = await view_of(request, reach)
    return await _show(view, job, seen=seen, notice=_TOLD.get(told, ""))


@router.post("/{job_id:int}/cancel")
async def cancel(state: ForState, caller: SignedIn, job_id: JobId) -> Response:
    """Cancel it, and what it has submitted."""
    cancelled = await jobs.cancel(state, caller, job_id)
    late = "" if cancelled.status == "cancelled" else "?told=late"
    return RedirectResponse(f"/jobs/{job_id}{late}", 303)


@router.post("/{job_id:int}/retry")
async def retry(request: Request, state: ForState, caller: SignedIn, job_id: JobId) -> Response:
    """Have it tried again."""
    try:
        await jobs.retry(state, caller, job_id)
    except Problem as problem:
        if problem.code != "conflict":
            raise
        job, reach = await jobs.find(state, caller, job_id)
        view = await view_of(request, reach)
        return await _show(view, job, notice=problem.detail, status=problem.status_code)
    return RedirectResponse(f"/jobs/{job_id}", 303)


async def _show(
    view: JobsView, job: Job, *, seen: str = "", notice: str = "", status: int = 200
) -> Response:
    async with view.reach.transaction() as connection:
        attempts = await listing.attempts(connection, job.id)
        children = (await listing.children_of(connection, [job.id])).get(job.id, [])
        lines = await listing.log(connection, job.id)
    shown = _state(job, children, lines[-1:])
    if view.asks_for_part and seen == shown:
        return Response(status_code=204)
    return view.render(
        "job_now.html.j2" if view.asks_for_part else "job.html.j2",
        status=status,
        job=job,
        notice=notice,
        kind=job_words.type_of(view.reach.state.registry, job.type),
        timeline=job_words.timeline(job, attempts),
        children=children,
        lines=lines[-LINES:],
        more_lines=max(0, len(lines) - LINES),
        state=shown,
        parent=await _parent(view.reach, job),
        asked_by=await _asked_by(view.reach, job),
        may_cancel=view.reach.may_cancel(job),
        may_retry=view.reach.may_change(job),
    )


async def _parent(reach: Reach, job: Job) -> Job | None:
    """The job that asked for it, if the caller may see that."""
    if job.parent_id is not None:
        with suppress(Problem):
            return (await jobs.find(reach.state, reach.caller, job.parent_id))[0]
    return None


async def _asked_by(reach: Reach, job: Job) -> str | None:
    """The name of the person who asked for it."""
    if job.user_id is None:
        return None
    async with reach.state.pool.connection() as connection:
        return await name_of(connection, job.user_id)
