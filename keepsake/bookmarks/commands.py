"""`keepsake add bookmark` and `keepsake import bookmarks`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import (
    Json,
    decoded,
    in_pool,
    moment,
    open_database,
    print_json,
    taking_in,
)
from keepsake.text.counted import counted

if TYPE_CHECKING:
    from keepsake.bookmarks.imports import Intake

Owner = Annotated[
    str | None,
    typer.Option(help="Name, short name or id of whose it is. Default: KEEPSAKE_OWNER."),
]
MOST_SHOWN = 10
_CALLED = {"url": "address", "content": "note", "saved": "date"}


def bookmark(
    url: Annotated[str, typer.Argument(help="Its address, such as https://example.org/page.")],
    platform: Annotated[
        str | None, typer.Option(help="Where it is from: youtube, tiktok, ...")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Your own title for it.")] = None,
    content: Annotated[
        str | None, typer.Option(help="Its text, for a page that strangers cannot read.")
    ] = None,
    content_file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(help="The same from a UTF-8 text file; - reads it from stdin."),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="A tag of your own. Give it several times.")
    ] = None,
    owner: Owner = None,
    recorded_at: Annotated[
        str | None,
        typer.Option(
            metavar="ISO",
            help="When it was saved, such as 2026-10-04T19:30; in the owner's time zone if it "
            "names none. Default: now.",
        ),
    ] = None,
    priority: Annotated[str, typer.Option(help="low, normal or urgent.")] = "normal",
    external_id: Annotated[
        str | None,
        typer.Option(
            "--id", help="Your own id for it: adding it twice adds it once. Default: its address."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Save a page: its text, a summary, keywords, and its media are made of it."""
    from keepsake.bookmarks.bookmark import NewBookmark, add_bookmark
    from keepsake.owners.owners import owner_or_default
    from keepsake.settings import load_settings

    if content is not None and content_file is not None:
        raise InvalidInput("give --content or --content-file, not both")
    settings = load_settings()
    with open_database(settings) as connection:
        whose = owner_or_default(connection, settings, owner)
        new = NewBookmark(
            url=url,
            platform=platform,
            title=title,
            content=content
            if content_file is None
            else decoded(content_file.read(), "--content-file"),
            tags=tag or (),
            recorded_at=moment(recorded_at, whose.time_zone),
            priority=priority,
            external_id=external_id,
        )
    added = in_pool(settings, lambda pool: add_bookmark(pool, settings, whose.id, new))
    if json:
        print_json(added)
    elif added.created:
        typer.echo(
            f"Added record {added.record_id}. Follow it: `keepsake status {added.record_id}`."
        )
    else:
        typer.echo(
            f"Already there as record {added.record_id}: its tags were added to those that it has, "
            "title and text only where it had none."
        )


def bookmarks(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="A browser's export (HTML), a CSV of Pocket and others, a JSON of Karakeep or "
            "Linkwarden.",
        ),
    ],
    owner: Owner = None,
    json: Json = False,
) -> None:
    """Import a file of bookmarks. If it was interrupted, run it again: it continues.

    Exit code 1 if anything was rejected; the rest is taken in.
    """
    from rich.progress import Progress

    from keepsake.bookmarks.imports import import_bookmarks
    from keepsake.owners.owners import owner_or_default
    from keepsake.settings import load_settings
    from keepsake.terminal.shell import console

    settings = load_settings()
    out = console()
    with taking_in():
        with open_database(settings) as connection:
            whose = owner_or_default(connection, settings, owner)
        with Progress(console=out, transient=True, disable=json or not out.is_terminal) as bar:
            task = bar.add_task("Bookmarks", total=1.0)

            def show(read: int, share: float) -> None:
                bar.update(task, completed=share, description=counted(read, "bookmark"))

            intake = in_pool(
                settings,
                lambda pool: import_bookmarks(pool, settings, whose, file, on_progress=show),
            )
    if json:
        print_json(intake)
    else:
        _print(intake)
    if intake.rejected:
        raise typer.Exit(1)


def _print(intake: "Intake") -> None:
    taken = ", ".join(
        f"{_CALLED.get(what, what)} from "
        + (" and ".join(names) if what == "content" else names[0])
        for what, names in intake.taken.items()
    )
    typer.echo(f"Read as {intake.kind}" + (f": {taken}." if taken else "."))
    typer.echo(
        f"{counted(intake.created, 'bookmark')} created, "
        f"{counted(intake.duplicates, 'duplicate')}, {intake.rejected:,} rejected."
    )
    if intake.undated:
        typer.echo(f"  {intake.undated:,} without a date: assumed to be saved now.")
    if intake.unread_dates:
        typer.echo(
            f"  {intake.unread_dates:,} with a date that cannot be read, or that lies before "
            "FIRST_DAY or ahead: assumed to be saved now."
        )
    for problem in intake.problems[:MOST_SHOWN]:
        typer.echo(f"  {problem.where}: {problem.why}", err=True)
    if intake.rejected > MOST_SHOWN:
        typer.echo(f"  and {intake.rejected - MOST_SHOWN:,} more: see --json", err=True)
