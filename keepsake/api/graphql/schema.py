"""The schema: what can be asked, changed and followed."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Annotated, Any

import strawberry
from graphql import GraphQLError
from strawberry.types.graphql import OperationType

from keepsake.accounts.principal import Principal
from keepsake.api.graphql.asked import Asked
from keepsake.api.graphql.limits import JOBS, Limits
from keepsake.api.graphql.pages import JobConnection, JobFilter, page
from keepsake.api.graphql.types import (
    Context,
    Job,
    JobSchedule,
    JobType,
    NewJob,
    SubmittedJob,
    field,
    given,
    job_of,
    schedule_of,
    subscription,
    type_of,
)
from keepsake.api.job_models import JobToSubmit, new_job
from keepsake.http import jobs
from keepsake.http.bodies import checked
from keepsake.http.state import State
from keepsake.jobs.schedules import schedules

LOOK_SECONDS = 1.0  # between two looks at a job that is followed

Owner = Annotated[
    str | None,
    strawberry.argument(description="Short name; not needed where there is only one."),
]


@strawberry.type
class Query:
    """What can be asked."""

    @field
    async def job(self, info: Context, id: int) -> Job | None:
        """A job."""
        return await _job(info.context, id)

    @field
    async def jobs(
        self,
        info: Context,
        owner: Owner = None,
        filter: JobFilter | None = None,
        first: int = JOBS,
        after: str | None = None,
    ) -> JobConnection:
        """Jobs of an owner, the newest first. To an operator who names none: all."""
        return await page(info.context, owner, filter, first, after)

    @field
    def job_types(self, info: Context) -> list[JobType]:
        """The types of jobs that there are."""
        return [type_of(each) for each in info.context.state.registry.all()]

    @field
    async def job_schedules(self, info: Context, owner: Owner = None) -> list[JobSchedule]:
        """What makes jobs by the clock, those first that come next."""
        reach = await info.context.reach(owner)
        async with info.context.turn, reach.transaction() as connection:
            return [schedule_of(each) for each in await schedules(connection)]


@strawberry.type
class Mutation:
    """What can be changed. The answer is the job, so who changes it may read it, too."""

    @field
    async def submit_job(self, info: Context, job: NewJob, owner: Owner = None) -> SubmittedJob:
        """Submit a job. While one of its tag is pending, that is the answer."""
        asked = info.context
        new = new_job(asked.state.registry, checked(given(job), JobToSubmit, "job"))
        async with asked.turn:
            reach = await jobs.reach_to_submit(asked.state, asked.caller, owner, new.type)
            submission = await jobs.submit(reach, new)
        return SubmittedJob(job=await _job(asked, submission.id), created=submission.created)

    @field
    async def cancel_job(self, info: Context, job_id: int) -> Job | None:
        """Cancel a job, and those that it has submitted. What is finished does not change."""
        return await _changed(info.context, job_id, jobs.cancel)

    @field
    async def retry_job(self, info: Context, job_id: int) -> Job | None:
        """Have a job tried again that has ended without success: the same job, due now."""
        return await _changed(info.context, job_id, jobs.retry)


@strawberry.type
class Subscription:
    """What can be followed."""

    @subscription
    async def job_changed(self, info: Context, id: int) -> AsyncGenerator[Job]:
        """A job, now and after each change, until it is finished."""
        told = None
        while not info.context.ended:
            job = await _job(info.context, id)
            if job.row != told:
                told = job.row
                yield job
            if job.row.finished_at is not None:
                return
            await info.context.rest(LOOK_SECONDS)


async def _job(asked: Asked, job_id: int) -> Job:
    async with asked.turn:
        row, _ = await jobs.find(asked.state, asked.caller, job_id)
    return job_of(row)


async def _changed(
    asked: Asked, job_id: int, change: Callable[[State, Principal, int], Awaitable[object]]
) -> Job:
    """Change a job; what it is then. Who may not read it is told so before."""
    await _job(asked, job_id)
    async with asked.turn:
        await change(asked.state, asked.caller, job_id)
    return await _job(asked, job_id)


class _Schema(strawberry.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Log nothing here: Strawberry would log what errors say. See `errors.py`."""


SCHEMA = _Schema(Query, Mutation, Subscription, extensions=[Limits])
AT_ONCE = frozenset({OperationType.QUERY, OperationType.MUTATION})
ALL = AT_ONCE | {OperationType.SUBSCRIPTION}
