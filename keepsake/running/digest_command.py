"""`keepsake digest`."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from keepsake.terminal.shell import Json, console, open_database, print_json

if TYPE_CHECKING:
    from keepsake.database import Connection
    from keepsake.owners.owners import Owner
    from keepsake.running.digest import Digest
    from keepsake.running.weekly import Week


def digest(
    owner: Annotated[str | None, typer.Option(help="Whose week; default: KEEPSAKE_OWNER.")] = None,
    week: Annotated[
        str | None,
        typer.Option(
            help="2026-W46, any day of it (2026-11-12), or last: the week before this one. "
            "Default: the newest."
        ),
    ] = None,
    make: Annotated[
        bool, typer.Option("--make", help="Make it now, without waiting for the night.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what a week of running came to, and where its page is.

    Digests are made at 04:30 UTC for weeks with new runs or letters; --make makes one now. No model
    is asked. A week that is not over is described so far.
    """
    from keepsake.clients.objects import open_objects
    from keepsake.owners.owners import owner_or_default
    from keepsake.running.digest import find_digest
    from keepsake.running.weekly import make_digests, read_week, week_named
    from keepsake.settings import load_settings

    settings = load_settings()
    objects = open_objects(settings)
    with open_database(settings) as connection:
        runner = owner_or_default(connection, settings, owner)
        today = datetime.now(UTC).astimezone(runner.zone).date()
        day = week_named(week, today) if week else None
        if make:
            day = _with_runs(connection, runner, day)
            make_digests(connection, objects, runner, [day])
        found, key = find_digest(connection, runner, day)
        now = read_week(connection, runner, found.week)
    url = objects.url(key)
    if json:
        print_json({"page": url, "facts": found.model_dump(mode="json")})
    else:
        _print(found, url)
        _print_missing(now)


def _with_runs(connection: "Connection", runner: "Owner", week: date | None) -> date:
    """The week to make, or the newest with a run.

    Raises:
        InvalidInput: there is no run in it.
    """
    from keepsake.errors import InvalidInput
    from keepsake.running.weekly import newest_week, read_week

    week = week or newest_week(connection, runner)
    if week is None:
        raise InvalidInput(f"{runner.slug} has no runs: a digest is made of those")
    now = read_week(connection, runner, week)
    if now.runs:
        return week
    waits = f": {now.to_come} of its activities are still to be computed" if now.to_come else ""
    raise InvalidInput(f"{runner.slug} has no run in the week of {week}{waits}")


def _print_missing(now: "Week") -> None:
    """What is not in the digest yet, and how it gets there."""
    out = console()
    if now.newer:
        runs = "1 run is" if now.newer == 1 else f"{now.newer:,} runs are"
        out.print(f"{runs} newer than this digest: --make makes it again")
    if now.to_come:
        some = "1 activity" if now.to_come == 1 else f"{now.to_come:,} activities"
        out.print(f"{some} of this week still to be computed or written about: `keepsake status`")


def _so_far(found: "Digest") -> str:
    from keepsake.running.page import day

    return f", so far: as of {day(found.so_far)}" if found.so_far else ""


def _print(found: "Digest", url: str) -> None:
    from keepsake.running.page import compared, day, grounds, km
    from keepsake.running.wording import span
    from keepsake.text.moments import clock

    out, total = console(), found.total
    until = f"{day(found.last_day)} {found.last_day.year}{_so_far(found)}"
    out.print(f"{found.owner}, {day(found.week)} to {until}")
    usually = f", usually {km(found.before4)} km" if found.before4 is not None else ""
    runs = "1 run" if total.runs == 1 else f"{total.runs} runs"
    out.print(f"{runs}, {km(total.distance)} km{usually}, {clock(total.moving)} moving")
    for run in found.runs:
        pace = f", {clock(run.pace)} /km" if run.pace is not None else ""
        pulse = f", {run.heart_rate:.0f} bpm" if run.heart_rate is not None else ""
        title = run.title or "Run"
        out.print(f"  {run.started:%a} {title}: {km(run.distance)} km{pace}{pulse}")
        if run.comparison:
            out.print(f"      {compared(run.comparison)}", style="dim")
    for race in found.predictions:
        out.print(f"  {race.race}: {span(race.fastest, race.slowest)}, {grounds(race)}")
    if found.predictions:
        out.print("  (best efforts of 90 days, stops included)", style="dim")
    for suggestion in found.suggestions:
        out.print(f"  {suggestion.text}", soft_wrap=False)
    out.print(url)
