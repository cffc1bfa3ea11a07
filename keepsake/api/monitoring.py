"""Figures about the work over HTTP: of an owner, or of the whole system for its operators.

What they mean, and where they come from, is in `keepsake/monitoring/insights.py`. To try a group of
errors again is `POST /api/retry` with its line, step and type (`changes.py`).
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from keepsake.http.callers import OfOwnerOrAll, SignedIn
from keepsake.http.jobs import reach_of
from keepsake.http.state import ForState
from keepsake.monitoring import insights

router = APIRouter(prefix="/api/monitoring", tags=["monitoring"])

Percent = Annotated[float | None, Field(description="Percent; null: of nothing.", examples=[98.5])]
Estimate = Annotated[
    float | None,
    Field(description="Seconds, estimated from a histogram; null: of nothing.", examples=[4.2]),
]
Since = Annotated[
    datetime, Field(description="From when it counts: not before there were figures.")
]


class _Figures(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Period(_Figures):
    """What became of records in a time. A record that was made twice counts twice."""

    total: int = Field(description="Times that the work on a record came to its end.")
    completed: int = Field(description="All of its steps were made.")
    failed: int = Field(description="None was.")
    partial_success: int = Field(description="Some were.")
    success_rate: Percent
    average_seconds: float | None = Field(
        description="From when a run took a record up until nothing more was to be made."
    )
    since: Since
    until: datetime


class Dashboard(_Figures):
    """How things stand. Periods are those of the owner's time zone, of the system in UTC."""

    today: Period = Field(description="Since midnight.")
    week: Period = Field(description="Since Monday.")
    month: Period = Field(description="Since the first.")
    active: int = Field(description="Records in work.")
    queue_depth: int = Field(description="Steps of records that are due or in work.")
    queue_oldest_seconds: float | None = Field(
        description="For how long the oldest has been due; null: none is."
    )
    as_of: datetime


class Latency(_Figures):
    """How long the records of a line took."""

    line: str = Field(examples=["family"])
    count: int
    average: float | None = Field(description="Seconds.")
    p50: Estimate
    p95: Estimate
    p99: Estimate


class Point(_Figures):
    """What ended from one moment until the next."""

    at: datetime
    completed: int = Field(description="Also those that were made in part.")
    failed: int
    per_minute: float
    error_rate: Percent


class StepFigures(_Figures):
    """How often a step was tried in a run, and how long it took."""

    line: str = Field(examples=["family"])
    step: str = Field(examples=["stories"])
    count: int
    failed: int = Field(description="For good, until somebody retries it.")
    p50: Estimate
    p95: Estimate


class Performance(_Figures):
    """How fast records are made."""

    since: Since
    until: datetime
    latencies: list[Latency]
    throughput_per_minute: float = Field(description="Records that came to their end.")
    points: list[Point] = Field(
        description="5 minutes apart up to 6 hours, an hour up to 48, then 4."
    )
    steps: list[StepFigures]


class ErrorGroup(_Figures):
    """Failures of one type: `POST /api/retry` with the first three tries them again."""

    line: str = Field(examples=["bookmarks"])
    step: str = Field(examples=["pages"])
    error_type: str = Field(examples=["RetryableError"])
    retryable: bool | None = Field(
        description="Whether such an error may pass by itself; null: not known any more."
    )
    records: int
    last_at: datetime | None


class FailedRecord(_Figures):
    """A step of a record that failed for good."""

    record_id: int
    owner: str | None = Field(description="Short name; null where all are of one owner.")
    line: str
    step: str
    platform: str | None = Field(description="Of a bookmark.", examples=["youtube"])
    error_type: str | None
    error_message: str | None
    failed_at: datetime | None


class Errors(_Figures):
    """What fails, and was not tried again since."""

    groups: list[ErrorGroup] = Field(description="The largest first.")
    failed: list[FailedRecord] = Field(description="The latest first.")
    points: list[Point] = Field(description="Of the last day, by the hour.")


class QueuedStep(BaseModel):
    """Records of which a step is due."""

    step: str
    due: int


class QueueLine(BaseModel):
    """What waits in a line."""

    line: str
    depth: int = Field(description="Steps that are due or in work.")
    active: int = Field(description="Records in work.")
    oldest_seconds: float | None
    steps: list[QueuedStep]


class JobsOfType(BaseModel):
    """Jobs of a type that are not finished."""

    type: str
    pending: int
    running: int
    oldest_seconds: float | None = Field(
        description="For how long the oldest has been due; null: none is."
    )


class Queue(BaseModel):
    """What waits."""

    depth: int = Field(description="Steps of records that are due or in work.")
    lines: list[QueueLine]
    jobs: list[JobsOfType]


class ModelFigures(_Figures):
    """What a model was used for."""

    model: str
    calls: int
    tokens_in: int
    tokens_out: int
    cost: Decimal | None = Field(description="USD; null: a part of it is not known.")


class DaySpent(_Figures):
    """What a day (UTC) has cost."""

    day: date
    cost: Decimal = Field(description="USD, as far as models have prices.")
    tokens: int


class Resources(_Figures):
    """What is used up."""

    models: list[ModelFigures] = Field(description="In this month (UTC), the dearest first.")
    days: list[DaySpent] = Field(description="The last 31, where a model was called.")
    month_spent: Decimal = Field(description="USD, as far as models have prices.")
    month_budget: Decimal | None = Field(description="USD; null: no bound, or the system's.")
    media_bytes: int = Field(description="Downloaded in this month.")
    storage_bytes: int | None = Field(description="All objects; null: not measured, or an owner's.")
    storage_quota_bytes: int | None = Field(
        description="What they may take; null: no bound is set."
    )
    database_bytes: int | None = Field(description="Null for an owner.")


@router.get("/dashboard")
async def read_dashboard(
    state: ForState, caller: SignedIn, owner: OfOwnerOrAll = None
) -> Dashboard:
    """Today, this week and this month, and what is in work now."""
    reach = await reach_of(state, caller, owner)
    async with reach.transaction() as connection:
        found = await insights.dashboard(connection, owner_id=reach.owner_id)
    return Dashboard.model_validate(found)


@router.get("/performance")
async def read_performance(
    state: ForState,
    caller: SignedIn,
    owner: OfOwnerOrAll = None,
    hours: Annotated[int, Query(ge=1, le=insights.LONGEST_HOURS, description="To look back.")] = 24,
) -> Performance:
    """How fast records and steps were made."""
    reach = await reach_of(state, caller, owner)
    async with reach.transaction() as connection:
        found = await insights.performance(connection, owner_id=reach.owner_id, hours=hours)
    return Performance.model_validate(found)


@router.get("/errors")
async def read_errors(
    state: ForState,
    caller: SignedIn,
    owner: OfOwnerOrAll = None,
    limit: Annotated[
        int, Query(ge=1, le=insights.MOST_ERRORS, description="Of the failed list.")
    ] = 50,
) -> Errors:
    """What failed for good, in groups and one by one, and how much failed over time."""
    reach = await reach_of(state, caller, owner)
    async with reach.transaction() as connection:
        found = await insights.errors(connection, owner_id=reach.owner_id, limit=limit)
    return Errors.model_validate(found)


@router.get("/queue")
async def read_queue(state: ForState, caller: SignedIn, owner: OfOwnerOrAll = None) -> Queue:
    """What waits: steps of records by line, and jobs by type."""
    reach = await reach_of(state, caller, owner)
    async with reach.transaction() as connection:
        found = await insights.queue(connection, owner_id=reach.owner_id)
    return Queue(
        depth=found.depth,
        lines=[
            QueueLine(
                line=line.line,
                depth=line.depth,
                active=line.active,
                oldest_seconds=line.oldest_seconds,
                steps=[QueuedStep(step=step, due=due) for step, due in line.steps],
            )
            for line in found.lines
        ],
        jobs=[
            JobsOfType(type=name, pending=pending, running=running, oldest_seconds=oldest)
            for name, pending, running, oldest in found.jobs
        ],
    )


@router.get("/resources")
async def read_resources(
    state: ForState, caller: SignedIn, owner: OfOwnerOrAll = None
) -> Resources:
    """Tokens and money by model and day, media, storage and the size of the database."""
    reach = await reach_of(state, caller, owner)
    async with reach.transaction() as connection:
        found = await insights.resources(connection, owner_id=reach.owner_id)
    return Resources.model_validate(found)
