"""What a job is in GraphQL: the types of the schema, made from the rows of `keepsake/jobs/`."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, TypeVar

import strawberry
from strawberry.scalars import JSON
from strawberry.types import Info

from keepsake.api import job_models
from keepsake.api.graphql.asked import Asked
from keepsake.jobs import registry, rows, schedules
from keepsake.jobs.rows import PRIORITIES

Context = Info[Asked, None]
T = TypeVar("T")


def field(resolver: Callable[..., Any]) -> Any:
    """A field whose description is what its resolver says of itself."""
    return strawberry.field(resolver, description=inspect.getdoc(resolver))


def subscription(resolver: Callable[..., Any]) -> Any:
    """The same of what is followed."""
    return strawberry.subscription(resolver, description=inspect.getdoc(resolver))


@strawberry.enum(description="How far a job is. The last six are finished.")
class JobStatus(Enum):
    """`keepsake.jobs.rows.Status` in capitals, as GraphQL writes what is one of several."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    TIMED_OUT = "timed_out"
    ORPHANED = "orphaned"


@strawberry.enum(description="Which of the jobs that are due is begun first.")
class Priority(Enum):
    """The names of `PRIORITIES`."""

    LOW = "low"
    NORMAL = "normal"
    URGENT = "urgent"


@strawberry.type(description="An attempt at a job that has ended.")
class Attempt:
    """See `rows.Attempt`."""

    attempt: int
    started_at: datetime
    finished_at: datetime
    outcome: str
    error_type: str | None
    error: str | None
    run_id: str | None


@strawberry.type(description="A piece of work that was asked for, as it is now.")
class Job:
    """See `rows.Job`."""

    row: strawberry.Private[rows.Job]
    id: int
    type: str
    tag: str | None = strawberry.field(description="One job of a tag is pending at a time.")
    owner: str | None = strawberry.field(description="Short name; null: the system's own.")
    user_id: int | None
    schedule_id: int | None
    parent_id: int | None
    nominal_time: datetime | None
    executor: str
    data: JSON
    metadata: JSON
    tags: list[str]
    due_at: datetime
    expires_at: datetime | None = strawberry.field(description="It is not begun from then on.")
    attempt: int = strawberry.field(description="Those that have begun.")
    attempts_left: int
    run_id: str | None = strawberry.field(description="Of Dagster.")
    last_synced_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    success: bool | None = strawberry.field(description="Null: it is not finished.")
    result: JSON | None
    error_type: str | None
    error: str | None = strawberry.field(description="Of the last attempt: what to do.")
    cancel_requested: bool
    persistent: bool
    remove_at: datetime | None = strawberry.field(description="When its row leaves.")

    @field
    def status(self) -> JobStatus:
        """How far it is."""
        return JobStatus(self.row.status)

    @field
    def finished(self) -> bool:
        """Whether it has ended, however it did."""
        return self.row.finished_at is not None

    @field
    def priority(self) -> Priority:
        """Which of the jobs that are due is begun first."""
        return Priority(next(n for n, value in PRIORITIES.items() if value == self.row.priority))

    @field
    async def attempts(self, info: Context) -> list[Attempt]:
        """Those that have ended, in order."""
        return [_made(Attempt, each) for each in await info.context.attempts.load(self.row)]

    @field
    async def children(self, info: Context) -> list[Annotated["Job", strawberry.lazy(__name__)]]:
        """The newest jobs that it has submitted; `jobs` with a filter has all."""
        return [job_of(each) for each in await info.context.children.load(self.row)]


@strawberry.type(description="How often and when a job that failed is tried again.")
class Retry:
    """See `registry.Retry`."""

    attempts: int
    min_seconds: float
    max_seconds: float
    factor: float
    jitter: bool


@strawberry.type(description="A type of jobs.")
class JobType:
    """See `registry.JobType`."""

    name: str
    description: str
    executor: str
    whose: str = strawberry.field(description="`owner`, `system`, or `anyone`.")
    permission: str = strawberry.field(
        description="Of who submits, cancels and retries an owner's jobs."
    )
    offered: bool = strawberry.field(description="False: made together with what it needs only.")
    data: JSON = strawberry.field(description="The JSON Schema of what a job is given.")
    retry: Retry
    timeout_seconds: float = strawberry.field(description="Of an attempt.")
    ttl_seconds: float | None
    removal_delay_seconds: float


@strawberry.type(description="What makes jobs by the clock.")
class JobSchedule:
    """See `schedules.Schedule`."""

    id: int
    owner: str | None
    tag: str
    type: str
    data: JSON
    expression: str = strawberry.field(description="Cron, five fields.")
    time_zone: str
    missed: str
    overlap: str
    paused: bool
    next_at: datetime
    last_at: datetime | None
    skipped: int
    problem: str | None = strawberry.field(description="Why it was paused by itself.")
    created_at: datetime


@strawberry.input(description="Begin only once nothing was submitted under the tag for a while.")
class NewDebounce:
    """`job_models.NewDebounce`."""

    delay_seconds: float = strawberry.field(description="After the last submission.")
    longest_seconds: float = strawberry.field(description="After the first, at most.")


@strawberry.input(description="A job to submit; all but its type may be absent.")
class NewJob:
    """`job_models.JobToSubmit`."""

    type: str = strawberry.field(description="See `jobTypes`.")
    data: JSON | None = strawberry.field(default=None, description="As its type has it.")
    tag: str | None = strawberry.field(
        default=None, description="While a job of the tag is pending, that is the answer."
    )
    run_after: datetime | None = strawberry.field(default=None, description="Null: now.")
    priority: Priority | None = None
    ttl_seconds: float | None = strawberry.field(
        default=None, description="How long it is worth beginning; null: as its type says."
    )
    debounce: NewDebounce | None = None
    metadata: JSON | None = strawberry.field(default=None, description="To be found by.")
    tags: list[str] | None = strawberry.field(default=None, description="To be found by.")
    persistent: bool | None = strawberry.field(default=None, description="Its row stays for good.")
    removal_delay_seconds: float | None = strawberry.field(
        default=None, description="How long after its end its row stays; null: as its type says."
    )


@strawberry.type
class SubmittedJob:
    """What became of a submission."""

    job: Job
    created: bool = strawberry.field(description="False: it was pending before.")


def job_of(row: rows.Job) -> Job:
    """A job from its row."""
    return _made(Job, row, row=row)


def schedule_of(row: schedules.Schedule) -> JobSchedule:
    """A schedule from its row."""
    return _made(JobSchedule, row)


def type_of(kind: registry.JobType[Any]) -> JobType:
    """A type of jobs from the registry."""
    return _made(JobType, job_models.type_of(kind), retry=_made(Retry, kind.retry))


def given(said: Any) -> dict[str, Any]:
    """What is there of an input, as REST would be sent it; None: nothing."""
    names = [each.name for each in fields(said)] if said else []
    found = {name: getattr(said, name) for name in names}
    return {name: _plain(value) for name, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case NewDebounce():
            return given(value)
        case list():
            return [_plain(each) for each in value]
    return value


def _made(of: Callable[..., T], source: Any, **more: Any) -> T:
    """An object of the schema, with the attributes of the same names."""
    names = (each.name for each in fields(of) if each.init and each.name not in more)  # type: ignore[arg-type]  # a class
    return of(**{name: getattr(source, name) for name in names}, **more)
