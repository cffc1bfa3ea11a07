"""`keepsake export`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import Json, open_database, print_json
from keepsake.text.counted import counted


def export(
    owner: Annotated[str, typer.Argument(help="Name, short name or id of the owner.")],
    to: Annotated[
        Path, typer.Option(metavar="FILE", dir_okay=False, help="Where the archive goes.")
    ],
    json: Json = False,
) -> None:
    """Put all that an owner has into one ZIP archive: files, texts, and pages to read."""
    from keepsake.clients.objects import open_objects
    from keepsake.database import database_url
    from keepsake.export import export_owner
    from keepsake.owners.owners import find_owner
    from keepsake.settings import load_settings

    if not to.absolute().parent.is_dir():
        raise InvalidInput(f"--to {to}: there is no folder {to.parent}: make it, or name another")
    settings = load_settings()
    with open_database(settings) as connection:
        owner_id = find_owner(connection, owner).id
    exported = asyncio.run(
        export_owner(database_url(settings), open_objects(settings), owner_id, to)
    )
    if json:
        print_json(exported)
        return
    typer.echo(
        f"Exported {counted(exported.records, 'record')} with {counted(exported.files, 'file')}: "
        f"unpack {to} and open index.html."
    )
    if exported.missing:
        typer.echo(
            f"Not in the object store: {counted(exported.missing, 'file')}; see manifest.json."
        )
