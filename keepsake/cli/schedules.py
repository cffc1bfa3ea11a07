"""`keepsake jobs schedules`: jobs that come round by the clock."""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepsake.cli.asking import Data, Owner, TypeName, as_object, ask, owner_id, shown_time
from keepsake.errors import InvalidInput
from keepsake.terminal.shell import Json, filled, print_json, print_table

if TYPE_CHECKING:
    from keepsake.database import AsyncConnection
    from keepsake.jobs.schedules import Schedule

UPCOMING = 3  # times that are shown of a schedule

clock = typer.Typer(no_args_is_help=True, help="Jobs that come round by the clock.")

ScheduleId = Annotated[
    int,
    typer.Argument(metavar="ID", help="Id of the schedule: see `keepsake jobs schedules list`."),
]
Cron = Annotated[str, typer.Option(help="Five fields: `0 9 * * 1-5`; or a name such as @daily.")]
Zone = Annotated[str, typer.Option(help="IANA time zone, whose clock the expression means.")]
Missed = Annotated[
    str, typer.Option(help="Times missed while no worker ran: skip, once, catch_up.")
]
Overlap = Annotated[
    str, typer.Option(help="While an earlier job is under way: skip, queue, cancel_running.")
]


@clock.command("list")
def list_schedules(json: Json = False) -> None:
    """List schedules, those first that come next."""
    from keepsake.jobs.schedules import schedules

    found = ask(schedules)
    if json:
        print_json([_document(each) for each in found])
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
        as_object(data, "--data"),
        owner_id=owner_id(owner),
        missed=missed,  # type: ignore[arg-type]  # the library says which there are
        overlap=overlap,  # type: ignore[arg-type]
    )

    async def add(connection: "AsyncConnection") -> "Schedule":
        added = await schedules.add_schedule(connection, new)
        return await schedules.find_schedule(connection, added)

    _say_when(ask(add), json=json)


@clock.command("change")
def change_schedule(
    schedule: ScheduleId,
    cron: Annotated[str | None, typer.Option(help="Another expression.")] = None,
    zone: Annotated[str | None, typer.Option(help="Another time zone.")] = None,
    missed: Annotated[str | None, typer.Option(help="skip, once or catch_up.")] = None,
    overlap: Annotated[str | None, typer.Option(help="skip, queue or cancel_running.")] = None,
    data: Annotated[
        str | None, typer.Option(metavar="JSON", help="Other data of its jobs, an object.")
    ] = None,
    json: Json = False,
) -> None:
    """Change a schedule. Its next time is counted from now."""
    _change(
        schedule,
        json=json,
        expression=cron,
        time_zone=zone,
        missed=missed,
        overlap=overlap,
        data=None if data is None else as_object(data, "--data"),
    )


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

    ask(lambda connection: schedules.remove_schedule(connection, schedule))
    if json:
        print_json({"removed": schedule})
    else:
        typer.echo(f"Schedule {schedule} is removed.")


def _change(
    schedule: int, *, json: bool, data: Mapping[str, Any] | None = None, **changes: Any
) -> None:
    from keepsake.job_types import REGISTRY
    from keepsake.jobs import schedules

    async def change(connection: "AsyncConnection") -> "Schedule":
        if data is not None:
            found = await schedules.find_schedule(connection, schedule)
            changes["data"] = REGISTRY.find(found.type).check(data)
        return await schedules.change_schedule(connection, schedule, **changes)

    _say_when(ask(change), json=json)


def _say_when(schedule: "Schedule", *, json: bool) -> None:
    if json:
        print_json(_document(schedule))
    elif schedule.paused:
        typer.echo(f"Schedule {schedule.id} is paused.")
    else:
        times = ", ".join(f"{time:%Y-%m-%d %H:%M}" for time in _upcoming(schedule))
        typer.echo(f"Schedule {schedule.id}: {schedule.cron}, next {times} UTC.")


def _document(schedule: "Schedule") -> dict[str, Any]:
    """All that is known of a schedule, with its expression in words and its next times."""
    return {**vars(schedule), "when": _when(schedule), "upcoming": _upcoming(schedule)}


def _when(schedule: "Schedule") -> str | None:
    try:
        return str(schedule.cron)
    except InvalidInput:  # the time zone is gone: `problem` says so once it fires
        return None


def _upcoming(schedule: "Schedule") -> list[datetime]:
    if schedule.paused or _when(schedule) is None:
        return []
    return [schedule.next_at, *islice(schedule.cron.after(schedule.next_at), UPCOMING - 1)]


def _schedule_row(schedule: "Schedule") -> Mapping[str, Any]:
    return {
        "id": schedule.id,
        "tag": schedule.tag,
        "type": schedule.type,
        "owner": schedule.owner,
        "cron": schedule.expression,
        "when": _when(schedule),
        "missed": schedule.missed,
        "overlap": schedule.overlap,
        "next": "paused" if schedule.paused else shown_time(schedule.next_at),
        "last": shown_time(schedule.last_at),
        "skipped": schedule.skipped or None,
        "problem": schedule.problem,
    }
