"""The pages of schedules: what comes round by the clock, made, changed, paused and removed.

Keepsake's own clockwork is not here but on Dagster's schedules page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Request
from fastapi.responses import RedirectResponse, Response

from keepsake.accounts.principal import Principal
from keepsake.api.job_forms import Errors, fields_of, filled, read, typed
from keepsake.api.job_view import ForJobs, JobsView, owner_query, view_of
from keepsake.errors import InvalidInput
from keepsake.http import job_schedules
from keepsake.http.callers import SignedIn
from keepsake.http.state import ForState
from keepsake.jobs.cron import check_cron
from keepsake.jobs.registry import JobType
from keepsake.jobs.schedules import (
    NewSchedule,
    Schedule,
    check_policies,
    schedules,
)
from keepsake.jobs.submission import check_tag
from keepsake.text.moments import day
from keepsake.text.names import check_time_zone

router = APIRouter(prefix="/jobs/schedules", include_in_schema=False)

ScheduleId = Annotated[int, Path(ge=1, le=2**63 - 1)]
MISSED = {
    "once": "one job for the last of them",
    "skip": "no job",
    "catch_up": "a job for each of them",
}
OVERLAP = {
    "skip": "no second job",
    "queue": "a job that runs after it",
    "cancel_running": "a job in its place",
}


@dataclass(frozen=True)
class _Row:
    """A schedule as the list shows it: in words, and by its own clock."""

    schedule: Schedule
    words: str | None
    next: str
    last: str | None
    may_change: bool


@router.get("")
async def show_schedules(view: ForJobs) -> Response:
    """What comes round by the clock, those first that come next."""
    async with view.reach.transaction() as connection:
        found = await schedules(connection)
    return view.render("schedules.html.j2", rows=[_row(view, each) for each in found])


def _row(view: JobsView, schedule: Schedule) -> _Row:
    try:
        words, zone = str(schedule.cron), schedule.cron.zone
    except InvalidInput:  # the time zone is gone: `problem` says so once it fires
        words, zone = None, view.zone
    return _Row(
        schedule,
        words,
        _by(zone, schedule.next_at),
        _by(zone, schedule.last_at) if schedule.last_at else None,
        view.reach.may_change(schedule),
    )


def _by(zone: ZoneInfo, moment: datetime) -> str:
    """A moment by a schedule's own clock: `4 May 2026, 12:30`."""
    there = moment.astimezone(zone)
    return f"{day(there)}, {there:%H:%M}"


@router.get("/new")
async def choose(view: ForJobs) -> Response:
    """The types that the caller may have made by the clock."""
    return view.render("job_types.html.j2", then="/jobs/schedules/new")


@router.get("/new/{type_name}")
async def new_schedule(view: ForJobs, type_name: str) -> Response:
    """The form of a type."""
    zone = {"time_zone": view.zone.key}
    return _form(view, view.kind(type_name), zone, Errors())


@router.post("/new/{type_name}")
async def add(request: Request, view: ForJobs, type_name: str) -> Response:
    """Make a schedule."""
    kind = view.kind(type_name)
    said = await typed(request)
    data, errors = read(kind.data, said)
    _check_clock(said, errors)
    with errors.of("tag"):
        check_tag(said.get("tag", "").strip(), "the name")
    reach = await view.reach_to_submit(kind, said, errors)
    if reach is None or errors:
        return _form(view, kind, said, errors)
    try:
        await job_schedules.add(
            reach, NewSchedule(kind, said["tag"].strip(), data=data, **_clock(said))
        )
    except InvalidInput as error:  # the owner has one of that name
        return _form(view, kind, said, Errors(tag=str(error)))
    return RedirectResponse(f"/jobs/schedules{view.query}", 303)


@router.get("/{schedule_id:int}")
async def show_schedule(
    request: Request, state: ForState, caller: SignedIn, schedule_id: ScheduleId
) -> Response:
    """The form to change it."""
    view, schedule, kind = await _one(request, state, caller, schedule_id)
    now = {
        name: getattr(schedule, name) for name in ("expression", "time_zone", "missed", "overlap")
    }
    return _form(view, kind, {**now, **filled(kind.data, schedule.data)}, Errors(), schedule)


@router.post("/{schedule_id:int}")
async def change(
    request: Request, state: ForState, caller: SignedIn, schedule_id: ScheduleId
) -> Response:
    """Change it. Its next time is then counted from now."""
    view, schedule, kind = await _one(request, state, caller, schedule_id)
    said = await typed(request)
    data, errors = read(kind.data, said)
    _check_clock(said, errors)
    if errors:
        return _form(view, kind, said, errors, schedule)
    changed = await job_schedules.change(
        state, caller, schedule_id, data=kind.check(data), **_clock(said)
    )
    return _to_list(caller, changed)


@router.post("/{schedule_id:int}/pause")
async def pause(state: ForState, caller: SignedIn, schedule_id: ScheduleId) -> Response:
    """Let it make no jobs."""
    return _to_list(caller, await job_schedules.change(state, caller, schedule_id, paused=True))


@router.post("/{schedule_id:int}/resume")
async def resume(state: ForState, caller: SignedIn, schedule_id: ScheduleId) -> Response:
    """Let it make jobs again."""
    return _to_list(caller, await job_schedules.change(state, caller, schedule_id, paused=False))


@router.post("/{schedule_id:int}/remove")
async def remove(state: ForState, caller: SignedIn, schedule_id: ScheduleId) -> Response:
    """Remove it; the jobs that it has made stay."""
    return _to_list(caller, await job_schedules.remove(state, caller, schedule_id))


def _to_list(caller: Principal, schedule: Schedule) -> Response:
    """To the list that it is in, or was; operators look at all."""
    query = owner_query(caller, None if caller.operator else schedule.owner)
    return RedirectResponse(f"/jobs/schedules{query}#schedule-{schedule.id}", 303)


async def _one(
    request: Request, state: ForState, caller: SignedIn, schedule_id: int
) -> tuple[JobsView, Schedule, JobType[Any]]:
    """A schedule, the view of its owner's, and its type.

    Raises:
        Problem: there is none for them, or they may not change it.
        InvalidInput: there is no such type any more.
    """
    schedule, reach = await job_schedules.find(state, caller, schedule_id)
    view = await view_of(request, reach)
    return view, schedule, view.kind(schedule.type)


def _check_clock(said: Mapping[str, str], errors: Errors) -> None:
    """Note what is wrong with when it is to come round."""
    zone = said.get("time_zone", "").strip()
    with errors.of("time_zone"):
        check_time_zone(zone)
    if "time_zone" not in errors:
        with errors.of("expression"):
            check_cron(said.get("expression", ""), zone)
    with errors.of("overlap"):
        check_policies(said.get("missed", "once"), said.get("overlap", "skip"))


def _clock(said: Mapping[str, str]) -> dict[str, Any]:
    return {
        "expression": said["expression"],
        "time_zone": said["time_zone"].strip(),
        "missed": said.get("missed", "once"),
        "overlap": said.get("overlap", "skip"),
    }


def _form(
    view: JobsView,
    kind: JobType[Any],
    said: Mapping[str, str],
    errors: Errors,
    schedule: Schedule | None = None,
) -> Response:
    return view.render(
        "schedule.html.j2",
        status=422 if errors else 200,
        kind=kind,
        fields=fields_of(kind.data),
        said=said,
        errors=errors,
        schedule=schedule,
        row=_row(view, schedule) if schedule else None,
        missed=MISSED,
        overlap=OVERLAP,
    )
