"""`keepsake add activity` and `keepsake import activities`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keepsake.terminal.shell import Json, console, in_pool, open_database, print_json, taking_in

if TYPE_CHECKING:
    from keepsake.running.imports import Imported

Owner = Annotated[
    str | None,
    typer.Option(help="Whose: name, short name or id. Default: whom KEEPSAKE_OWNER names."),
]
SHOWN = 20  # rejected files that are named to people; --json names more


def activity(
    file: Annotated[Path, typer.Argument(help="A FIT, GPX or TCX file, gzipped or not.")],
    title: Annotated[str | None, typer.Option(help="Your own name for it.")] = None,
    owner: Owner = None,
    priority: Annotated[str, typer.Option(help="low, normal or urgent.")] = "normal",
    external_id: Annotated[
        str | None,
        typer.Option(
            "--id", help="Your own id for it: adding it twice adds it once. Default: its content."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Add one activity."""
    from keepsake.clients.objects import open_objects
    from keepsake.owners.owners import owner_or_default
    from keepsake.running.imports import add_activity
    from keepsake.settings import load_settings

    settings = load_settings()
    with open_database(settings) as connection:
        runner = owner_or_default(connection, settings, owner)
    added = in_pool(
        settings,
        lambda pool: add_activity(
            pool,
            open_objects(settings),
            settings,
            runner,
            file,
            title=title,
            priority=priority,
            external_id=external_id,
        ),
    )
    if json:
        print_json(added)
        return
    if added.others:
        typer.echo(f"The file holds {len(added.others) + 1} activities.")
    for each in (added, *added.others):
        if each.created:
            typer.echo(
                f"Added record {each.record_id}. Follow it: `keepsake status {each.record_id}`."
            )
        else:
            typer.echo(f"Already there as record {each.record_id}; nothing was added.")


def activities(
    path: Annotated[
        Path,
        typer.Argument(
            exists=True, help="A folder, an export of Strava or Garmin (.zip), or a single file."
        ),
    ],
    owner: Owner = None,
    max_heart_rate: Annotated[
        int | None,
        typer.Option(
            help="The runner's, in beats a minute: heart-rate zones are parts of it. Without it "
            "there are none until 20 activities have a heart rate; then the most that they show "
            "is taken, and texts say so."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Import activities, thousands at once. Repeat it freely: what was imported is skipped.

    Exit code 1 if anything was rejected, the rest is taken in; or if there is nothing to take in.
    """
    from keepsake.clients.objects import open_objects
    from keepsake.owners.owners import owner_or_default
    from keepsake.running.activity import set_max_heart_rate
    from keepsake.running.imports import import_activities
    from keepsake.settings import load_settings

    settings = load_settings()
    out = console()
    with taking_in(), out.status("Importing ...") as shown:
        with open_database(settings) as connection:
            runner = owner_or_default(connection, settings, owner)
            if max_heart_rate is not None:
                set_max_heart_rate(connection, runner.id, max_heart_rate)
        imported = in_pool(
            settings,
            lambda pool: import_activities(
                pool,
                open_objects(settings),
                settings,
                runner,
                path,
                on_progress=lambda so_far: shown.update(_summary(so_far)),
            ),
        )
    taken = imported.created + imported.replaced + imported.duplicates
    if json:
        print_json(imported)
    else:
        out.print(_summary(imported))
        for name, reason in imported.reasons[:SHOWN]:
            out.print(f"  rejected {name}: {reason}")
        if imported.rejected > SHOWN:
            out.print(f"  and {imported.rejected - SHOWN:,} more")
        if not taken and not imported.rejected:
            out.print(f"  no file in {path} ends in .fit, .gpx or .tcx (or those with .gz)")
    if imported.rejected or not taken:
        raise typer.Exit(1)


def _summary(imported: "Imported") -> str:
    counts = {
        "created": imported.created,
        "in the place of files that could not be read": imported.replaced,
        "duplicate" if imported.duplicates == 1 else "duplicates": imported.duplicates,
        "rejected": imported.rejected,
    }
    texts = (f"{count:,} {what}" for what, count in counts.items() if count)
    return f"Activities: {', '.join(texts) or 'none found'}."
