"""Jobs over HTTP: submitted, found, cancelled, tried again. Who may do what is in `http/jobs.py`.

How they are sent and answered is in `job_models.py`.
"""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from keepsake.api.job_models import (
    AskedForJobs,
    CancelledJob,
    ChangedJobs,
    JobCursor,
    JobLog,
    JobLogLine,
    JobPage,
    JobsToChange,
    JobToSubmit,
    JobTypes,
    QueryFilters,
    RetriedJob,
    SubmittedJob,
    WholeJob,
    job_filter,
    listed,
    new_job,
    type_of,
    whole,
)
from keepsake.database import AsyncConnection
from keepsake.http import jobs
from keepsake.http.added import Answer
from keepsake.http.callers import OfOwnerOrAll, SignedIn
from keepsake.http.cursors import decode, encode, link_next
from keepsake.http.idempotency import IdempotencyKey, once
from keepsake.http.jobs import reach_of
from keepsake.http.problems import Problem
from keepsake.http.state import ForState
from keepsake.jobs.bulk import to_cancel, to_retry
from keepsake.jobs.listing import attempts, children_of, find_jobs, log
from keepsake.jobs.rows import Status
from keepsake.jobs.submission import Submission

router = APIRouter(prefix="/api", tags=["jobs"])

JobId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[17])]


SUBMITTED: dict[int | str, dict[str, Any]] = {
    200: {"model": SubmittedJob, "description": "A job of this tag is pending."},
    201: {"model": SubmittedJob, "description": "It is new."},
}


@router.get("/job-types")
async def list_job_types(state: ForState, _caller: SignedIn) -> JobTypes:
    """The types of jobs that there are, and what each is given."""
    return JobTypes(types=[type_of(kind) for kind in state.registry.all()])


@router.post("/jobs", status_code=201, response_model=SubmittedJob, responses=SUBMITTED)
async def submit_job(
    request: Request,
    state: ForState,
    caller: SignedIn,
    said: JobToSubmit,
    owner: OfOwnerOrAll = None,
    key: IdempotencyKey = None,
) -> Response:
    """Submit a job. While one of its tag is pending, that is the answer, with 200."""
    new = new_job(state.registry, said)
    reach = await jobs.reach_to_submit(state, caller, owner, new.type)
    async with once(request, state, reach.owner_id, key) as asked:
        await asked.check(await request.body())

        async def answer(connection: AsyncConnection, submission: Submission) -> None:
            await asked.keep(connection, _submitted(submission))

        await jobs.submit(reach, new, also=answer)
        return asked.response()


def _submitted(submission: Submission) -> Answer:
    return Answer(
        201 if submission.created else 200,
        {"id": submission.id, "status": "pending", "created": submission.created},
        f"/api/jobs/{submission.id}",
    )


@router.get("/jobs")
async def list_jobs(
    request: Request,
    response: Response,
    asked: Annotated[AskedForJobs, Query()],
    state: ForState,
    caller: SignedIn,
    owner: OfOwnerOrAll = None,
) -> JobPage:
    """Jobs of an owner, the newest first. The header `Link` names the next page."""
    reach = await reach_of(state, caller, owner)
    filters, before = _where(asked, reach.owner_id or 0)
    wanted = replace(job_filter(filters), before=before)
    async with reach.transaction() as connection:
        found = await find_jobs(connection, wanted, limit=asked.limit + 1)
    page = found[: asked.limit]
    cursor = None
    if len(found) > asked.limit:
        cursor = encode(JobCursor(owner=reach.owner_id or 0, filters=filters, id=page[-1].id))
    link_next(request, response, cursor)
    return JobPage(jobs=[listed(job) for job in page], next=cursor)


def _where(asked: AskedForJobs, owner_id: int) -> tuple[QueryFilters, int | None]:
    """The filters, and before which job the page begins.

    Raises:
        Problem: the cursor is none, or comes with filters.
    """
    given = asked.model_dump(include=set(QueryFilters.model_fields), exclude_defaults=True)
    if asked.cursor is None:
        return QueryFilters(**given), None
    if given:
        raise Problem("invalid_input", "cursor: it has the filters inside: give it without any")
    cursor = decode(JobCursor, asked.cursor, owner_id)
    return cursor.filters, cursor.id


@router.post("/jobs/cancel")
async def cancel_jobs(
    state: ForState, caller: SignedIn, said: JobsToChange, owner: OfOwnerOrAll = None
) -> ChangedJobs:
    """Cancel all that is not finished of what a filter finds: at most 200 jobs of one request."""
    reach = await reach_of(state, caller, owner)
    if said.dry_run:
        return _counted(await jobs.count_many(reach, job_filter(said), to_be=to_cancel))
    return _changed(await jobs.cancel_many(reach, job_filter(said)))


@router.post("/jobs/retry")
async def retry_jobs(
    state: ForState, caller: SignedIn, said: JobsToChange, owner: OfOwnerOrAll = None
) -> ChangedJobs:
    """Have tried again what failed of what a filter finds: at most 200 jobs of one request."""
    reach = await reach_of(state, caller, owner)
    if said.dry_run:
        return _counted(await jobs.count_many(reach, job_filter(said), to_be=to_retry))
    return _changed(await jobs.retry_many(reach, job_filter(said)))


def _changed(done: jobs.ManyChanged) -> ChangedJobs:
    return ChangedJobs.model_validate(vars(done))


def _counted(found: dict[Status, int]) -> ChangedJobs:
    return ChangedJobs(changed=[], refused={}, left=sum(found.values()), next=None, found=found)


@router.get("/jobs/{job_id}")
async def read_job(job_id: JobId, state: ForState, caller: SignedIn) -> WholeJob:
    """A job with its attempts, and with what it has submitted."""
    job, reach = await jobs.find(state, caller, job_id)
    async with reach.transaction() as connection:
        tried = await attempts(connection, job_id)
        children = await children_of(connection, [job_id])
    return whole(job, tried, children.get(job_id, []))


@router.get("/jobs/{job_id}/log")
async def read_job_log(
    job_id: JobId,
    state: ForState,
    caller: SignedIn,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="Only lines after this id.")] = 0,
) -> JobLog:
    """What was logged of a job, in order. To follow it, ask with the last line's id."""
    _, reach = await jobs.find(state, caller, job_id)
    async with reach.transaction() as connection:
        lines = await log(connection, job_id, after=after)
    return JobLog(lines=[JobLogLine.model_validate(line) for line in lines])


@router.post("/jobs/{job_id}/cancel")
async def cancel_job(job_id: JobId, state: ForState, caller: SignedIn) -> CancelledJob:
    """Cancel a job, and those that it has submitted. What is finished does not change."""
    return CancelledJob.model_validate(await jobs.cancel(state, caller, job_id))


@router.post("/jobs/{job_id}/retry")
async def retry_job(job_id: JobId, state: ForState, caller: SignedIn) -> RetriedJob:
    """Have a job tried again that has ended without success: the same job, due now."""
    await jobs.retry(state, caller, job_id)
    return RetriedJob(id=job_id, status="pending")
