"""`keepsake delete`."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from keepsake.errors import InvalidInput, KeepsakeError
from keepsake.terminal.shell import Json, console, open_database, print_json

if TYPE_CHECKING:
    from keepsake.database import Connection
    from keepsake.records.deletion import Doomed

MOST_NAMED = 20  # records that are named before the question


def delete(
    records: Annotated[
        list[int] | None,
        typer.Argument(
            metavar="[ID]...",
            help="Ids of records. Without any: objects that an earlier deletion has left.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and delete nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Delete records, all that was made of them, and their files. There is no way back."""
    from keepsake.clients.objects import open_objects
    from keepsake.records.deletion import doomed, sweep
    from keepsake.settings import load_settings
    from keepsake.show.page import page_path

    settings = load_settings()
    with open_database(settings) as connection:
        plan = doomed(connection, None, records or ())
        if plan.records and not json:
            _name(connection, plan)
        if dry_run:
            if json:
                print_json(plan)
            return
        if plan.records and not yes:
            _ask(len(plan.records))
        for record in plan.records:
            _delete(connection, record)
            page_path(settings, record).unlink(missing_ok=True)
        swept = asyncio.run(sweep(connection, open_objects(settings)))
    if json:
        print_json({"deleted": plan.records, "objects": swept})
    else:
        typer.echo(f"Deleted {_gone(plan, swept.deleted)}.")
    if swept.reason:
        raise KeepsakeError(
            f"{_count(swept.left, 'object')} could not be deleted ({swept.reason}): they are "
            "noted, and `keepsake delete` without an id goes on"
        )


def _gone(plan: "Doomed", objects: int) -> str:
    """What was deleted: the records with their objects, and objects that were left before."""
    theirs = min(objects, len(plan.objects))
    left = f", and {_count(objects - theirs, 'object')} left by earlier results or deletions"
    return (
        f"{_count(len(plan.records), 'record')} and {_count(theirs, 'object')}"
        f"{left if objects > theirs else ''}"
    )


def _name(connection: "Connection", plan: "Doomed") -> None:
    """Say what goes."""
    from keepsake.search.listing import list_records

    for record in plan.records[:MOST_NAMED]:
        for found in list_records(connection, before=record + 1, limit=1):
            title = f": {found.title}" if found.title else ""
            console().print(f"Record {found.id} of {found.owner}, {found.line}{title}")
    if len(plan.records) > MOST_NAMED:
        typer.echo(f"and {len(plan.records) - MOST_NAMED} more")
    stay = f"; {len(plan.shared)} stay, other records have them" if plan.shared else ""
    typer.echo(f"With {_count(len(plan.objects), 'object')}{stay}.")


def _ask(count: int) -> None:
    """Go on if a person says yes.

    Raises:
        InvalidInput: there is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        raise InvalidInput("there is no terminal to ask on: give --yes to delete without asking")
    these = "this record" if count == 1 else f"these {count} records"
    typer.confirm(f"Delete {these} for good?", abort=True)


def _delete(connection: "Connection", record: int) -> None:
    from keepsake.records.deletion import RecordBusy, delete_record
    from keepsake.records.lookup import owner_of

    owner_id = owner_of(connection, record)
    try:
        delete_record(connection, owner_id, record)
    except RecordBusy:
        typer.echo(
            f"A run is working on record {record}: waiting until it is done. Ctrl-C ends this, and "
            "leaves the record.",
            err=True,
        )
        delete_record(connection, owner_id, record, wait=True)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
