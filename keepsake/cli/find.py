"""`keepsake search`."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from keepsake.cli.shell import Json, console, open_database, print_json
from keepsake.errors import InvalidInput

if TYPE_CHECKING:
    from keepsake.search import Hit


def search(
    owner: Annotated[str, typer.Argument(help="Name, short name or id of a family or owner.")],
    query: Annotated[str, typer.Argument(help="What to look for, in your own words.")],
    limit: Annotated[int, typer.Option(min=1, max=50, help="Most hits.")] = 5,
    json: Json = False,
) -> None:
    """Search what an owner keeps, stories and bookmarks alike, by meaning and by words."""
    from keepsake.owners import find_owner
    from keepsake.search import ask
    from keepsake.settings import load_settings

    if not query.strip():
        raise InvalidInput("the query is empty")
    settings = load_settings()
    with open_database(settings) as connection:
        home = find_owner(connection, owner)
        hits = asyncio.run(ask(connection, settings, query, owner_id=home.id, limit=limit))
    if json:
        print_json(hits)
    elif not hits:
        typer.echo(f"{home.name} has nothing to search yet.")
    for hit in [] if json else hits:
        _print(hit)


def _print(hit: "Hit") -> None:
    out = console()
    at = (
        ""
        if hit.starts_at is None
        else f", at {hit.starts_at // 60:.0f}:{hit.starts_at % 60:02.0f}"
    )
    title = hit.title or f"Record {hit.record_id}"
    out.print(title, style="bold")
    by = f"{hit.by}, " if hit.by else ""
    out.print(f"{by}{hit.recorded_at:%Y-%m-%d}{at} (record {hit.record_id})", style="dim")
    if hit.url:
        out.print(hit.url)
    out.print(f"{hit.text}\n", soft_wrap=False)
