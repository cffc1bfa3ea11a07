"""Jobs as they are sent and answered over HTTP."""

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from keepsake.errors import InvalidInput
from keepsake.http.bodies import checked
from keepsake.http.cursors import Cursor
from keepsake.jobs.listing import JobFilter
from keepsake.jobs.registry import JobType as Type
from keepsake.jobs.registry import Registry
from keepsake.jobs.rows import PRIORITIES, Attempt, Job, Status, check_json
from keepsake.jobs.submission import Debounce, NewJob

LONGEST_FILTER = 1_000  # characters of metadata
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Word = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
Seconds = Annotated[float, Field(ge=0, le=1e9)]
Priority = Literal["low", "normal", "urgent"]


class NewDebounce(BaseModel):
    """Begin only once nothing was submitted under the tag for a while."""

    model_config = ConfigDict(extra="forbid")

    delay_seconds: Seconds = Field(description="After the last submission.", examples=[30])
    longest_seconds: Seconds = Field(description="After the first, at most.", examples=[300])


class JobToSubmit(BaseModel):
    """A job to submit."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="See `/api/job-types`.", examples=["make_digest"])
    data: dict[str, Any] = Field({}, description="As its type has it.", examples=[{"week": "last"}])
    tag: str | None = Field(
        None, description="Of the work: while a job of the tag is pending, it is the answer."
    )
    run_after: datetime | None = Field(None, description="When it is due; null: now.")
    priority: Priority = "normal"
    ttl_seconds: Seconds | None = Field(
        None, description="How long it is worth beginning; null: as its type says."
    )
    debounce: NewDebounce | None = None
    metadata: dict[str, Any] = Field({}, description="To be found by.")
    tags: list[str] = Field([], max_length=100, description="Words, to be found by.")
    persistent: bool = Field(False, description="Whether its row stays for good.")
    removal_delay_seconds: Seconds | None = Field(
        None, description="How long after its end its row stays; null: as its type says."
    )


class SubmittedJob(BaseModel):
    """A job that was submitted, or was pending."""

    id: int = Field(examples=[17])
    status: Status = Field(examples=["pending"])
    created: bool = Field(description="False: this job of the tag is pending, and does the work.")


class ListedJob(BaseModel):
    """A job in a list."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    owner: str | None = Field(description="Short name; null: the system's own.")
    user_id: int | None = Field(description="Who asked for it.")
    type: str = Field(examples=["make_digest"])
    tag: str | None
    tags: list[str]
    metadata: dict[str, Any]
    executor: Literal["internal", "dagster"]
    status: Status
    priority: Priority = Field(description="Which of the jobs that are due is begun first.")
    due_at: datetime
    expires_at: datetime | None = Field(description="It is not begun from then on.")
    attempt: int = Field(description="Attempts that have begun.")
    attempts_left: int
    run_id: str | None = Field(description="Of Dagster.")
    parent_id: int | None = Field(description="The job that asked for it.")
    schedule_id: int | None
    nominal_time: datetime | None = Field(description="Of its schedule.")
    created_at: datetime
    started_at: datetime | None = Field(description="The last attempt.")
    finished_at: datetime | None
    success: bool | None = Field(description="Null: it is not finished.")
    error_type: str | None = Field(description="Of the last attempt.")
    error: str | None = Field(description="What was wrong, and what to do.")
    cancel_requested: bool
    persistent: bool
    remove_at: datetime | None = Field(description="When its row leaves.")


class JobPage(BaseModel):
    """Some jobs, the newest first."""

    jobs: list[ListedJob]
    next: str | None = Field(description="`cursor` of the next page; null: this is the last.")


class JobAttempt(BaseModel):
    """An attempt that has ended."""

    model_config = ConfigDict(from_attributes=True)

    attempt: int
    run_id: str | None
    started_at: datetime
    finished_at: datetime
    outcome: Literal["succeeded", "failed", "cancelled", "timed_out", "orphaned", "given_back"]
    error_type: str | None
    error: str | None


class WholeJob(ListedJob):
    """A job with all that is known of it."""

    data: dict[str, Any] = Field(description="What it was given, as its type has it.")
    result: Any = Field(description="What it came to.")
    attempts: list[JobAttempt] = Field(description="Those that have ended, in order.")
    children: list[ListedJob] = Field(
        description="The newest 20 jobs that it has submitted; `?parent=` lists all."
    )
    next_attempt_at: datetime | None = Field(description="Null: none is due.")


class JobLogLine(BaseModel):
    """A line of a job's log."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    attempt: int
    at: datetime
    level: str = Field(examples=["INFO"])
    message: str = Field(description="It may have several lines itself.")


class JobLog(BaseModel):
    """What was logged of a job: the newest thousand lines or so are kept."""

    lines: list[JobLogLine]


class CancelledJob(BaseModel):
    """What a cancel did."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    status: Status = Field(description="Which it has now.")
    changed: bool = Field(description="False: it was finished before.")
    children: list[int] = Field(description="The jobs that were cancelled with it.")


class RetriedJob(BaseModel):
    """A job that is tried again."""

    id: int
    status: Status = Field(examples=["pending"])


class Filters(BaseModel):
    """Which jobs are meant; what is absent does not matter."""

    model_config = ConfigDict(extra="forbid")

    status: list[Status] = Field([], max_length=8, description="One of these.")
    type: Word | None = None
    tag: Word | None = None
    tags: list[Word] = Field([], max_length=20, description="All of these.")
    parent: Id | None = Field(None, description="The job that asked for it.")
    schedule: Id | None = None
    since: datetime | None = Field(None, description="Submitted then or later.")
    until: datetime | None = Field(None, description="Submitted before then.")
    system: bool = Field(False, description="For operators: only those without an owner.")


class QueryFilters(Filters):
    """The same in an address."""

    metadata: str | None = Field(
        None,
        max_length=LONGEST_FILTER,
        description="A JSON object that theirs contains.",
        examples=['{"department": "sales"}'],
    )


class AskedForJobs(QueryFilters):
    """A request for a page."""

    owner: str | None = None  # `OfOwnerOrAll` has its description
    cursor: str | None = Field(None, description="`next` of the page before, without filters.")
    limit: int = Field(50, ge=1, le=200)


class JobCursor(Cursor):
    """Where a page of jobs begins. `owner` is 0 where all are meant."""

    list: Literal["jobs"] = "jobs"
    filters: QueryFilters
    id: Id


class JobsToChange(Filters):
    """Which jobs to change. A filter that means all is refused."""

    metadata: dict[str, Any] = Field({}, description="Which theirs contains.")
    type: Word | None = Field(None, examples=["make_digest"])
    after: Id | None = Field(None, description="`next` of the answer before.")
    dry_run: bool = Field(False, description="Change nothing, and count.")


class ChangedJobs(BaseModel):
    """What became of many jobs."""

    changed: list[int] = Field(description="Ids, also of what a job had submitted.")
    refused: dict[int, str] = Field(description="Why others were not, by id.")
    left: int = Field(description="How many were not looked at.")
    next: int | None = Field(description="`after` for them; null: there are none.")
    found: dict[Status, int] | None = Field(None, description="By status, of a `dry_run`.")


class JobType(BaseModel):
    """A type of jobs."""

    name: str = Field(examples=["make_digest"])
    description: str
    executor: Literal["internal", "dagster"]
    whose: Literal["anyone", "owner", "system"] = Field(
        description="Of an owner always, of the system always, or of either."
    )
    permission: str = Field(description="Of who submits, cancels and retries an owner's jobs.")
    offered: bool = Field(description="False: made together with what it needs, never by itself.")
    data: dict[str, Any] = Field(description="The JSON Schema of what a job is given.")
    attempts: int = Field(description="At most.")
    timeout_seconds: float = Field(description="Of an attempt.")
    ttl_seconds: float | None
    removal_delay_seconds: float


class JobTypes(BaseModel):
    """The types of jobs that there are."""

    types: list[JobType]


_NAMES = {number: name for name, number in PRIORITIES.items()}


def listed(job: Job) -> ListedJob:
    """A job as lists have it."""
    return ListedJob.model_validate(_values(job), extra="ignore")


def whole(job: Job, tried: list[Attempt], children: list[Job]) -> WholeJob:
    """A job with its attempts and what it has submitted."""
    return WholeJob.model_validate(
        {
            **_values(job),
            "attempts": tried,
            "children": [listed(child) for child in children],
            "next_attempt_at": job.due_at if job.status == "pending" else None,
        },
        extra="ignore",
    )


def _values(job: Job) -> dict[str, Any]:
    return {**vars(job), "priority": _NAMES[job.priority]}


def type_of(kind: Type[Any]) -> JobType:
    """A type as it is answered."""
    return JobType(
        name=kind.name,
        description=kind.description,
        executor=kind.executor,
        whose=kind.whose,
        permission=kind.permission,
        offered=kind.offered,
        data=kind.data.model_json_schema(),
        attempts=kind.retry.attempts,
        timeout_seconds=kind.timeout.total_seconds(),
        ttl_seconds=_seconds(kind.ttl),
        removal_delay_seconds=kind.removal_delay.total_seconds(),
    )


def new_job(registry: Registry, said: JobToSubmit) -> NewJob:
    """The job that is to be submitted.

    Raises:
        InvalidInput: there is no such type.
        RequestValidationError: the data does not fit it.
    """
    kind = registry.find(said.type)
    return NewJob(
        kind,
        checked(said.data, kind.data, "body.data"),
        tag=said.tag,
        run_after=said.run_after,
        priority=said.priority,
        ttl=_span(said.ttl_seconds),
        debounce=_debounce(said.debounce),
        metadata=said.metadata,
        tags=said.tags,
        persistent=said.persistent,
        removal_delay=_span(said.removal_delay_seconds),
    )


def _debounce(said: NewDebounce | None) -> Debounce | None:
    if said is None:
        return None
    return Debounce(timedelta(seconds=said.delay_seconds), timedelta(seconds=said.longest_seconds))


def job_filter(said: QueryFilters | JobsToChange) -> JobFilter:
    """The filter as the library has it.

    Raises:
        InvalidInput: the metadata is no JSON object.
    """
    return JobFilter(
        statuses=said.status,
        type=said.type,
        tag=said.tag,
        tags=said.tags,
        metadata=_metadata(said.metadata),
        system=said.system,
        parent_id=said.parent,
        schedule_id=said.schedule,
        since=_moment(said.since, "since"),
        until=_moment(said.until, "until"),
        after=said.after if isinstance(said, JobsToChange) else None,
    )


def _metadata(said: str | dict[str, Any] | None) -> dict[str, Any]:
    try:
        document = json.loads(said) if isinstance(said, str) else said or {}
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise InvalidInput(
            'metadata: this is no JSON object: write it like {"department": "sales"}'
        )
    check_json(document, LONGEST_FILTER, "metadata: this filter")
    return document


def _moment(said: datetime | None, where: str) -> datetime | None:
    if said is not None and said.tzinfo is None:
        raise InvalidInput(f"{where}: it has no time zone: write it like 2026-12-01T09:00+01:00")
    return said


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
