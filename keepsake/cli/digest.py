"""`keepsake digest`."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from keepsake.cli.shell import Json, console, open_database, print_json

if TYPE_CHECKING:
    from keepsake.running.digest import Digest


def digest(
    owner: Annotated[str | None, typer.Option(help="Whose week; default: KEEPSAKE_OWNER.")] = None,
    week: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Any day of the week; default: the newest digest."),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a week of running came to, and where its page is."""
    from keepsake.clients.objects import open_objects
    from keepsake.owners import owner_or_default
    from keepsake.running.digest import find_digest
    from keepsake.settings import load_settings

    settings = load_settings()
    with open_database(settings) as connection:
        runner = owner_or_default(connection, settings, owner)
        found, key = find_digest(connection, runner, week.date() if week else None)
    url = open_objects(settings).url(key)
    if json:
        print_json({"page": url, "facts": found.model_dump(mode="json")})
    else:
        _print(found, url)


def _print(found: "Digest", url: str) -> None:
    from keepsake.running.page import compared, day, grounds, km
    from keepsake.running.wording import clock, span

    out, total = console(), found.total
    out.print(f"{found.owner}, {day(found.week)} to {day(found.last_day)} {found.last_day.year}")
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
