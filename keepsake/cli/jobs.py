"""`keepsake jobs`: what is asked for, watched, cancelled and tried again, now and by the clock."""

import json as json_text
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import (
    Json,
    console,
    filled,
    in_pool,
    open_database,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from keepsake.database import AsyncConnection, Pool
    from keepsake.jobs.rows import Attempt, Job
    from keepsake.jobs.schedules import Schedule

T = TypeVar("T")

jobs = typer.Typer(
    no_args_is_help=True,
    help="Tracked jobs: submit, watch, cancel, schedule. `keepsake up` runs them.",
)
clock = typer.Typer(help="Jobs that come round by the clock.")
jobs.add_typer(clock, name="schedules")

JobId = Annotated[
    int, typer.Argument(metavar="ID", help="Id of the job: see `keepsake jobs list`.")
]
JobIds = Annotated[list[int], typer.Argument(metavar="ID...", help="Ids of jobs.")]
ScheduleId = Annotated[
    int, typer.Argument(metavar="ID", help="Id of the schedule: see `keepsake jobs schedules`.")
]
TypeName = Annotated[
    str, typer.Argument(metavar="TYPE", help="Type of the job: see `keepsake jobs types`.")
]
Data = Annotated[str, typer.Option(metavar="JSON", help="Its data, an object.")]
Owner = Annotated[
    str | None, typer.Option(help="Whose: name, short name or id. Without it: the system's own.")
]
Cron = Annotated[str, typer.Option(help="Five fields: `0 9 * * 1-5`; or a name such as @daily.")]
Zone = Annotated[str, typer.Option(help="IANA time zone, whose clock the expression means.")]
Missed = Annotated[
    str, typer.Option(help="Times missed while no worker ran: skip, once, catch_up.")
]
Overlap = Annotated[
    str, typer.Option(help="While an earlier job is under way: skip, queue, cancel_running.")
]


@jobs.command("list")
def list_jobs(
    status: Annotated[
        list[str] | None, typer.Option(help="Only with this status; several times for several.")
    ] = None,
    type_name: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only with this tag.")] = None,
    metadata: Annotated[
        str, typer.Option(metavar="JSON", help="Only if the metadata contains this object.")
    ] = "{}",
    owner: Annotated[
        str | None, typer.Option(help="Only this owner's: name, short name or id.")
    ] = None,
    before: Annotated[
        int | None, typer.Option(metavar="ID", help="Only jobs before this one: the next page.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 20,
    json: Json = False,
) -> None:
    """List jobs, the newest first."""
    from keepsake.jobs.listing import JobFilter, find_jobs

    wanted = JobFilter(
        statuses=status or (),
        type=type_name,
        tag=tag,
        metadata=_object(metadata, "--metadata"),
        owner_id=_owner_id(owner),
        before=before,
    )
    found = _ask(lambda connection: find_jobs(connection, wanted, limit=limit))
    if json:
        print_json(found)
    elif not found:
        typer.echo("No such job: `keepsake jobs submit` makes one.")
    else:
        rows = [_row(job) for job in found]
        print_table("Jobs", rows, filled(rows))


@jobs.command("show")
def show_job(job: JobId, json: Json = False) -> None:
    """Show all that is known of a job, with its attempts."""
    from keepsake.jobs.listing import attempts, find_job

    async def read(connection: "AsyncConnection") -> "tuple[Job, list[Attempt]]":
        return await find_job(connection, job), await attempts(connection, job)

    found, tried = _ask(read)
    if json:
        print_json({"job": found, "attempts": tried})
        return
    out = console()
    for name, value in vars(found).items():
        if value not in (None, [], {}, False):
            out.print(f"{name.replace('_', ' '):17}{_text(value)}")
    rows = [{name: _text(value) for name, value in vars(each).items()} for each in tried]
    if rows:
        print_table("Attempts", rows, filled(rows))


@jobs.command("types")
def list_types(json: Json = False) -> None:
    """List the types of jobs, and what each needs to be given."""
    from keepsake.job_types import REGISTRY

    rows = [
        {
            "type": each.name,
            "whose": each.whose,
            "data": ", ".join(each.data.model_fields),
            "description": each.description,
        }
        for each in REGISTRY.all()
    ]
    if json:
        print_json(rows)
    else:
        print_table("Types of jobs", rows, rows[0])


@jobs.command("submit")
def submit_job(
    type_name: TypeName,
    data: Data = "{}",
    owner: Owner = None,
    tag: Annotated[
        str | None, typer.Option(help="While one with this tag is pending, no other is made.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not before: 2026-12-01T09:00+01:00.")
    ] = None,
    priority: Annotated[str, typer.Option(help="low, normal or urgent.")] = "normal",
    metadata: Annotated[
        str, typer.Option(metavar="JSON", help="An object, to find the job by.")
    ] = "{}",
    persistent: Annotated[bool, typer.Option(help="Keep its row for good.")] = False,
    json: Json = False,
) -> None:
    """Submit a job."""
    from keepsake.job_types import REGISTRY
    from keepsake.jobs.submission import NewJob, submit

    new = NewJob(
        REGISTRY.find(type_name),
        _object(data, "--data"),
        owner_id=_owner_id(owner),
        tag=tag,
        run_after=_moment(at),
        priority=priority,
        metadata=_object(metadata, "--metadata"),
        persistent=persistent,
    )
    submission = _ask(lambda connection: submit(connection, new))
    if json:
        print_json(submission)
    elif submission.created:
        typer.echo(f"Submitted job {submission.id}: follow it with `keepsake jobs show`.")
    else:
        typer.echo(f"Job {submission.id} with this tag is pending: nothing was submitted.")


@jobs.command("cancel")
def cancel_jobs(job: JobIds, json: Json = False) -> None:
    """Cancel jobs, and those that they have submitted. What is finished does not change."""
    from keepsake.jobs.control import cancel

    done = [_ask(partial(cancel, job_id=each)) for each in job]
    if json:
        print_json(done)
        return
    for each in done:
        children = f", with {len(each.children)} that it had submitted" if each.children else ""
        typer.echo(
            f"Job {each.id} is cancelled{children}."
            if each.changed
            else f"Job {each.id} had ended before ({each.status}): nothing was changed."
        )


@jobs.command("retry")
def retry_jobs(job: JobIds, json: Json = False) -> None:
    """Have jobs tried again that did not succeed."""
    from keepsake.jobs.control import retry

    for each in job:
        _ask(partial(retry, job_id=each))
    if json:
        print_json({"due": job})
    else:
        typer.echo(f"Due again: {', '.join(map(str, job))}.")


@jobs.command("work")
def work() -> None:
    """Run jobs until Ctrl-C: a worker beside that of `keepsake up`, or on another machine."""
    from keepsake.job_types.work import work
    from keepsake.settings import load_settings

    settings = load_settings()
    with open_database(settings):
        pass  # else the first thing people see is how a pool of connections failed
    work(settings)


# -- schedules ------------------------------------------------------------------------------------


@clock.callback(invoke_without_command=True)
def list_schedules(context: typer.Context, json: Json = False) -> None:
    """Jobs that come round by the clock; without a command: list their schedules."""
    if context.invoked_subcommand is not None:
        return
    from keepsake.jobs.schedules import schedules

    found = _ask(schedules)
    if json:
        print_json(found)
    elif not found:
        typer.echo("No schedule yet: `keepsake jobs schedules add` makes one.")
    else:
        rows = [_schedule_row(each) for each in found]
        print_table("Schedules", rows, filled(rows))


@clock.command("add")
def add_schedule(
    type_name: TypeName,
    tag: Annotated[str, typer.Option(help="Its name, and the tag of its jobs.")],
    cron: Cron,
    zone: Zone = "UTC",
    data: Data = "{}",
    owner: Owner = None,
    missed: Missed = "once",
    overlap: Overlap = "skip",
    json: Json = False,
) -> None:
    """Have jobs made by the clock."""
    from keepsake.job_types import REGISTRY
    from keepsake.jobs import schedules

    new = schedules.NewSchedule(
        REGISTRY.find(type_name),
        tag,
        cron,
        zone,
        _object(data, "--data"),
        owner_id=_owner_id(owner),
        missed=missed,  # type: ignore[arg-type]  # the library says which there are
        overlap=overlap,  # type: ignore[arg-type]
    )

    async def add(connection: "AsyncConnection") -> "Schedule":
        added = await schedules.add_schedule(connection, new)
        return await schedules.find_schedule(connection, added)

    _say_when(_ask(add), json=json)


@clock.command("change")
def change_schedule(
    schedule: ScheduleId,
    cron: Annotated[str | None, typer.Option(help="Another expression.")] = None,
    zone: Annotated[str | None, typer.Option(help="Another time zone.")] = None,
    missed: Annotated[str | None, typer.Option(help="skip, once or catch_up.")] = None,
    overlap: Annotated[str | None, typer.Option(help="skip, queue or cancel_running.")] = None,
    json: Json = False,
) -> None:
    """Change a schedule. Its next time is counted from now."""
    _change(schedule, json=json, expression=cron, time_zone=zone, missed=missed, overlap=overlap)


@clock.command("pause")
def pause_schedule(schedule: ScheduleId, json: Json = False) -> None:
    """Let a schedule make no jobs until it is resumed. Times that pass are not missed."""
    _change(schedule, json=json, paused=True)


@clock.command("resume")
def resume_schedule(schedule: ScheduleId, json: Json = False) -> None:
    """Let a schedule make jobs again."""
    _change(schedule, json=json, paused=False)


@clock.command("remove")
def remove_schedule(schedule: ScheduleId, json: Json = False) -> None:
    """Remove a schedule. The jobs that it has made stay."""
    from keepsake.jobs import schedules

    _ask(lambda connection: schedules.remove_schedule(connection, schedule))
    if json:
        print_json({"removed": schedule})
    else:
        typer.echo(f"Schedule {schedule} is removed.")


def _change(schedule: int, *, json: bool, **changes: Any) -> None:
    from keepsake.jobs import schedules

    changed = _ask(lambda connection: schedules.change_schedule(connection, schedule, **changes))
    _say_when(changed, json=json)


def _say_when(schedule: "Schedule", *, json: bool) -> None:
    if json:
        print_json(schedule)
    elif schedule.paused:
        typer.echo(f"Schedule {schedule.id} is paused.")
    else:
        typer.echo(f"Schedule {schedule.id}: {schedule.cron}, next {_time(schedule.next_at)} UTC.")


# -- what they share ------------------------------------------------------------------------------


def _ask(work: "Callable[[AsyncConnection], Awaitable[T]]") -> "T":
    """What `work` finds on a connection to a database whose schema is current."""
    from keepsake.settings import load_settings

    settings = load_settings()

    async def run(pool: "Pool") -> T:
        async with pool.connection() as connection:
            return await work(connection)

    with open_database(settings):
        return in_pool(settings, run)


def _owner_id(name: str | None) -> int | None:
    from keepsake.owners.owners import find_owner
    from keepsake.settings import load_settings

    if name is None:
        return None
    with open_database(load_settings()) as connection:
        return find_owner(connection, name).id


def _object(text: str, option: str) -> Mapping[str, Any]:
    try:
        document = json_text.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise InvalidInput(f'{option} is no JSON object: write it like \'{{"week": "last"}}\'')
    return document


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"--at {text!r} is no time: write it like 2026-12-01T09:00+01:00"
        ) from None


def _row(job: "Job") -> Mapping[str, Any]:
    return {
        "id": job.id,
        "type": job.type,
        "tag": job.tag,
        "owner": job.owner,
        "status": job.status,
        "attempt": job.attempt,
        "due": _time(job.due_at) if job.status == "pending" else None,
        "started": _time(job.started_at),
        "finished": _time(job.finished_at),
        "error": job.error,
    }


def _schedule_row(schedule: "Schedule") -> Mapping[str, Any]:
    return {
        "id": schedule.id,
        "tag": schedule.tag,
        "type": schedule.type,
        "owner": schedule.owner,
        "cron": schedule.expression,
        "zone": schedule.time_zone,
        "missed": schedule.missed,
        "overlap": schedule.overlap,
        "next": "paused" if schedule.paused else _time(schedule.next_at),
        "last": _time(schedule.last_at),
        "skipped": schedule.skipped or None,
        "problem": schedule.problem,
    }


def _time(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, datetime):
        return _time(value)
    if isinstance(value, dict | list):
        return json_text.dumps(value, ensure_ascii=False)
    return str(value)
