"""Schedules of jobs over HTTP: made, changed, paused, removed.

Who may do what is in `http/job_schedules.py`.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from keepsake.errors import InvalidInput
from keepsake.http import job_schedules
from keepsake.http.bodies import checked
from keepsake.http.callers import OfOwnerOrAll, SignedIn
from keepsake.http.jobs import reach_of, reach_to_submit
from keepsake.http.state import ForState
from keepsake.jobs.schedules import NewSchedule, Schedule, find_schedule, schedules

router = APIRouter(prefix="/api/job-schedules", tags=["jobs"])

ScheduleId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[3])]
Missed = Literal["skip", "once", "catch_up"]
Overlap = Literal["skip", "queue", "cancel_running"]


class ScheduleToMake(BaseModel):
    """A schedule to make."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="Of its jobs: see `/api/job-types`.", examples=["make_digest"])
    tag: str = Field(description="Its name, and the tag of its jobs.", examples=["weekly"])
    expression: str = Field(
        description="Cron, five fields, or a name such as `@daily`.", examples=["0 7 * * 1"]
    )
    time_zone: str = Field("UTC", description="IANA.", examples=["Europe/Berlin"])
    data: dict[str, Any] = Field({}, description="Of its jobs.")
    missed: Missed = Field(
        "once", description="What times get that passed while no worker ran: no job, one, each one."
    )
    overlap: Overlap = Field(
        "skip", description="At a time when an earlier job is under way: no job, after it, instead."
    )


class ScheduleChanges(BaseModel):
    """What to change of a schedule; what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    expression: str | None = None
    time_zone: str | None = None
    data: dict[str, Any] | None = None
    missed: Missed | None = None
    overlap: Overlap | None = None


class JobSchedule(BaseModel):
    """What makes jobs by the clock."""

    id: int
    owner: str | None = Field(description="Short name; null: the system's own.")
    user_id: int | None
    tag: str
    type: str
    data: dict[str, Any]
    expression: str = Field(description="Cron, five fields.")
    time_zone: str
    when: str | None = Field(description="The same in words; null: it means nothing any more.")
    missed: Missed
    overlap: Overlap
    paused: bool
    next_at: datetime | None = Field(description="Null: it is paused.")
    last_at: datetime | None = Field(description="The last time that made a job.")
    skipped: int = Field(description="Times that made none, since a job was under way.")
    problem: str | None = Field(description="Why it was paused by itself.")
    created_at: datetime


class JobSchedules(BaseModel):
    """The schedules that there are, those first that come next."""

    schedules: list[JobSchedule]


@router.get("")
async def list_job_schedules(
    state: ForState, caller: SignedIn, owner: OfOwnerOrAll = None
) -> JobSchedules:
    """The schedules of an owner."""
    reach = await reach_of(state, caller, owner)
    async with reach.transaction() as connection:
        found = await schedules(connection)
    return JobSchedules(schedules=[_shown(each) for each in found])


@router.post("", status_code=201)
async def add_job_schedule(
    state: ForState,
    caller: SignedIn,
    said: ScheduleToMake,
    response: Response,
    owner: OfOwnerOrAll = None,
) -> JobSchedule:
    """Make a schedule. An owner has one of a tag."""
    kind = state.registry.find(said.type)
    reach = await reach_to_submit(state, caller, owner, kind)
    new = NewSchedule(
        kind,
        said.tag,
        said.expression,
        said.time_zone,
        checked(said.data, kind.data, "body.data"),
        missed=said.missed,
        overlap=said.overlap,
    )
    schedule_id = await job_schedules.add(reach, new)
    response.headers["Location"] = f"/api/job-schedules/{schedule_id}"
    async with reach.transaction() as connection:
        return _shown(await find_schedule(connection, schedule_id))


@router.get("/{schedule_id}")
async def read_job_schedule(
    schedule_id: ScheduleId, state: ForState, caller: SignedIn
) -> JobSchedule:
    """A schedule."""
    schedule, _ = await job_schedules.find(state, caller, schedule_id)
    return _shown(schedule)


@router.patch("/{schedule_id}")
async def change_job_schedule(
    schedule_id: ScheduleId, state: ForState, caller: SignedIn, said: ScheduleChanges
) -> JobSchedule:
    """Change a schedule. Its next time is counted from now; jobs that it has made stay."""
    changes = said.model_dump(exclude_none=True)
    if said.data is not None:
        schedule, _ = await job_schedules.find(state, caller, schedule_id)
        kind = state.registry.find(schedule.type)
        changes["data"] = checked(said.data, kind.data, "body.data")
    return _shown(await job_schedules.change(state, caller, schedule_id, **changes))


@router.post("/{schedule_id}/pause")
async def pause_job_schedule(
    schedule_id: ScheduleId, state: ForState, caller: SignedIn
) -> JobSchedule:
    """Let a schedule make no jobs. Times that pass meanwhile are not missed."""
    return _shown(await job_schedules.change(state, caller, schedule_id, paused=True))


@router.post("/{schedule_id}/resume")
async def resume_job_schedule(
    schedule_id: ScheduleId, state: ForState, caller: SignedIn
) -> JobSchedule:
    """Let a schedule make jobs again."""
    return _shown(await job_schedules.change(state, caller, schedule_id, paused=False))


@router.delete("/{schedule_id}", status_code=204)
async def remove_job_schedule(schedule_id: ScheduleId, state: ForState, caller: SignedIn) -> None:
    """Remove a schedule. The jobs that it has made stay."""
    await job_schedules.remove(state, caller, schedule_id)


def _shown(schedule: Schedule) -> JobSchedule:
    try:
        when = str(schedule.cron)
    except InvalidInput:  # its time zone is gone: `problem` says so once it fires
        when = None
    next_at = None if schedule.paused else schedule.next_at
    return JobSchedule.model_validate(
        {**vars(schedule), "when": when, "next_at": next_at}, extra="ignore"
    )
