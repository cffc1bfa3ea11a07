"""`keepsake show` and `keepsake records`: one record in full, and which records there are."""

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import Json, console, filled, open_database, print_json, print_table

if TYPE_CHECKING:
    from keepsake.search.listing import ListedRecord, State
    from keepsake.settings import HomeSettings

LONGEST_TITLE = 60  # characters of a title in the table


def show(
    record: Annotated[int, typer.Argument(help="Id of the record: see `keepsake records`.")],
    html: Annotated[
        bool, typer.Option("--html", help="Write it as a page and open that in the browser.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write the page to this file, and open nothing."),
    ] = None,
    json: Json = False,
) -> None:
    """Show all that was made of a record: words, story, quotes, episode, page or letter."""
    from keepsake.clients.objects import open_objects
    from keepsake.records.lookup import owner_of
    from keepsake.settings import load_settings
    from keepsake.show import read_document, render_page

    if json and (html or output):
        raise InvalidInput("--json prints data, --html and --output make a page: choose one")
    settings = load_settings()
    objects = open_objects(settings)
    with open_database(settings) as connection:
        found = read_document(connection, objects, owner_of(connection, record), record)
    if json:
        print_json(found)
    elif html or output:
        written = _write(asyncio.run(render_page(found, objects)), record, settings, output)
        typer.echo(written)
        if output is None:
            _open(written)
    else:
        from keepsake.cli.reading import show_document

        show_document(console(), found)


def _write(html: str, record: int, settings: "HomeSettings", output: Path | None) -> Path:
    """Write a page where only its owner can read it.

    Raises:
        InvalidInput: the file cannot be written.
    """
    from keepsake.show.page import page_path

    path = (output or page_path(settings, record)).absolute()
    try:
        if output is None:
            path.parent.mkdir(exist_ok=True)  # in a data folder that is there: none is made here
        path.touch(mode=0o600)
        path.write_text(html, "utf-8")
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise InvalidInput(f"{path} cannot be written ({reason}): name another --output") from None
    return path


def _open(path: Path) -> None:
    """Open a page in the browser, where there is a person and a screen."""
    import webbrowser

    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if screen and sys.stdout.isatty():
        webbrowser.open(path.as_uri())


def records(
    failed: Annotated[
        bool, typer.Option("--failed", help="Only those of which a step has failed.")
    ] = False,
    due: Annotated[
        bool, typer.Option("--due", help="Only those of which a step is still to be made.")
    ] = False,
    held: Annotated[
        bool, typer.Option("--held", help="Only those of which a step is held.")
    ] = False,
    line: Annotated[str | None, typer.Option(help="Only this line.")] = None,
    owner: Annotated[
        str | None, typer.Option(help="Only this owner: name, short name or id.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], metavar="DATE", help="Only recorded on this day (UTC) or later."
        ),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            metavar="WORDS",
            help="Only with all of these words, or words that begin so, in title, address, file "
            "name, summary or text. By meaning: `keepsake search`.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")] = 30,
    before: Annotated[
        int | None, typer.Option(metavar="ID", help="Only those before this record: the next page.")
    ] = None,
    json: Json = False,
) -> None:
    """List records, the last that was added first, with what went wrong."""
    from keepsake.owners.owners import find_owner
    from keepsake.search.listing import list_records
    from keepsake.settings import load_settings

    state = _state(failed=failed, due=due, held=held)
    with open_database(load_settings()) as connection:
        found = list_records(
            connection,
            state=state,
            line=line,
            owner_id=None if owner is None else find_owner(connection, owner).id,
            since=None if since is None else since.date(),
            words=search,
            before=before,
            limit=limit + 1,
        )
    found, more = found[:limit], len(found) > limit
    if json:
        print_json(found)
    elif not found:
        typer.echo("No such records.")
    else:
        rows = [_row(each) for each in found]
        print_table("Records", rows, filled(rows))
        if more:
            typer.echo(f"\nThe next ones: --before {found[-1].id}")


def _state(**asked: bool) -> "State | None":
    """The one state that was asked for.

    Raises:
        InvalidInput: there are several.
    """
    names: list[Any] = [name for name, given in asked.items() if given]
    if len(names) > 1:
        raise InvalidInput("choose one of --failed, --due and --held")
    return names[0] if names else None


def _row(record: "ListedRecord") -> dict[str, Any]:
    title = record.title or ""
    return {
        "id": record.id,
        "line": record.line,
        "owner": record.owner,
        "recorded": f"{record.recorded_at:%Y-%m-%d %H:%M}",
        "title": title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…",
        "status": record.status.lower().replace("_", " "),
        "error": f"{record.failed_step}: {record.error}" if record.failed_step else "",
    }
