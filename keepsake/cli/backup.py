"""`keepsake backup`: making, listing, verifying, restoring and pruning backups."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from keepsake.terminal.shell import (
    Json,
    complain,
    console,
    database_in_reach,
    filled,
    print_json,
    print_table,
)
from keepsake.text.counted import counted

if TYPE_CHECKING:
    from keepsake.backup.contents import Progress, Report
    from keepsake.backup.folder import Backup
    from keepsake.settings import BackupSettings

T = TypeVar("T")

backup = typer.Typer(
    no_args_is_help=True, help="Backups of the database and of the objects that it names."
)

Name = Annotated[
    str | None,
    typer.Argument(help="Which one: see `keepsake backup list`. Without it: the newest."),
]
In = Annotated[
    Path | None, typer.Option("--in", help="Folder of the backups. Without it: BACKUP_DIR.")
]
MEGA = 1_000_000


@backup.command("create")
def create_backup(
    to: Annotated[
        Path | None, typer.Option(help="Folder of the backups. Without it: BACKUP_DIR.")
    ] = None,
    json: Json = False,
) -> None:
    """Back up the database and the objects; what a former backup has is not copied again."""
    from keepsake.backup.creation import create
    from keepsake.settings import load_settings

    settings = load_settings()
    made = _run(lambda report: create(settings, _root(settings, to), report), silent=json)
    if json:
        print_json({"path": str(made.path), **_document(made)})
    else:
        held = made.manifest
        typer.echo(
            f"Backed up {counted(sum(held.rows.values()), 'row')} and "
            f"{counted(held.objects, 'object')} ({made.bytes / MEGA:,.1f} MB, of them "
            f"{held.added_bytes / MEGA:,.1f} MB of new objects) in {held.seconds:.1f} s: "
            f"{made.path}"
        )
    if not made.complete:
        complain(
            f"{counted(made.manifest.lost, 'object')} that rows name are not in the store, and not "
            "in the backup: look for them in an older one"
        )
        raise typer.Exit(1)


@backup.command("list")
def list_backups(within: In = None, json: Json = False) -> None:
    """List the backups, the newest first."""
    from keepsake.backup.folder import Folder
    from keepsake.settings import load_settings

    root = _root(load_settings(), within)
    found, problems = Folder(root).all()
    if json:
        print_json({"backups": [_document(each) for each in found], "problems": problems})
    elif found:
        rows = [_row(each) for each in found]
        print_table(f"Backups in {root}", rows, filled(rows))
    elif not problems:
        typer.echo(f"There is no backup in {root}: `keepsake backup create` makes one.")
    for problem in problems:
        complain(problem)
    if problems:
        raise typer.Exit(1)


@backup.command("verify")
def verify_backup(name: Name = None, within: In = None, json: Json = False) -> None:
    """Restore a backup into a database of its own, compare it, and read every object."""
    from keepsake.backup.verification import verify
    from keepsake.settings import load_settings

    settings = load_settings()
    found, verified = _run(
        lambda report: verify(settings, _root(settings, within), name, report), silent=json
    )
    if json:
        print_json({"name": found.name, **verified.model_dump()})
    elif not verified.problems:
        searched = ", and a search by meaning found what is there" if verified.searched else ""
        typer.echo(
            f"{found.name} is well: {counted(verified.rows, 'row')} restored, "
            f"{counted(verified.objects, 'object')} read{searched} ({verified.seconds:.1f} s)."
        )
    for problem in verified.problems:
        complain(f"{found.name}: {problem}")
    if verified.problems:
        raise typer.Exit(1)


@backup.command("restore")
def restore_backup(
    name: Name = None,
    within: In = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove what is in the database now.")
    ] = False,
    json: Json = False,
) -> None:
    """Restore a backup to the database and the store in force; stop Keepsake first."""
    from keepsake.backup.restoring import restore
    from keepsake.database import database_url
    from keepsake.prepare import prepare
    from keepsake.settings import load_settings

    settings = load_settings()
    root = _root(settings, within)
    restored = _run(
        lambda report: restore(settings, root, name, replace=replace, report=report), silent=json
    )
    with database_in_reach():
        prepare(database_url(settings), settings)
    if json:
        print_json(restored)
    else:
        typer.echo(
            f"Restored {restored.backup}: {counted(restored.rows, 'row')} and "
            f"{counted(restored.objects, 'object')}. Everybody signs in again; messages that were "
            "pending are `unknown` and not sent by themselves (`keepsake messages`)."
        )
    if restored.lost:
        some = ", ".join(restored.lost[:5])
        complain(
            f"{counted(len(restored.lost), 'object')} are not whole in the backup: {some}"
            f"{', ...' if len(restored.lost) > 5 else ''}"
        )
        raise typer.Exit(1)


@backup.command("prune")
def prune_backups(
    last: Annotated[int, typer.Option("--keep-last", min=0, help="The last so many.")] = 0,
    daily: Annotated[
        int, typer.Option("--keep-daily", min=0, help="The last one of so many days.")
    ] = 0,
    weekly: Annotated[
        int, typer.Option("--keep-weekly", min=0, help="The last one of so many weeks.")
    ] = 0,
    monthly: Annotated[
        int, typer.Option("--keep-monthly", min=0, help="The last one of so many months.")
    ] = 0,
    within: In = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed.")] = False,
    json: Json = False,
) -> None:
    """Remove backups but for those to keep. The newest complete one always stays."""
    from keepsake.backup.pruning import Keep, prune
    from keepsake.settings import load_settings

    root = _root(load_settings(), within)
    pruned = prune(root, Keep(last, daily, weekly, monthly), dry_run=dry_run)
    if json:
        print_json(pruned)
        return
    would = "Would remove" if dry_run else "Removed"
    typer.echo(f"{would} {counted(len(pruned.removed), 'backup')}, {len(pruned.kept)} stay.")
    for each in pruned.removed:
        typer.echo(f"  {each}")
    if pruned.freed:
        typer.echo(f"{pruned.freed / MEGA:,.1f} MB of objects are gone with them.")


def _root(settings: "BackupSettings", given: Path | None) -> Path:
    return given.absolute() if given else settings.backup_folder


def _run(work: "Callable[[Report], Coroutine[Any, Any, T]]", *, silent: bool) -> T:
    """Do what is asynchronous, and show on a terminal how far it is."""
    with database_in_reach(), _shown(silent) as report:
        return asyncio.run(work(report))


@contextmanager
def _shown(silent: bool) -> "Iterator[Report]":
    out = console(stderr=True)
    if silent or not out.is_terminal:
        yield lambda progress: None
        return
    with out.status("…") as line:

        def show(progress: "Progress") -> None:
            of = f"{progress.done:,} of {progress.total:,} " if progress.total is not None else ""
            done = of or (f"{progress.done:,} " if progress.done else "")
            line.update(f"{done}{progress.what}")

        yield show


def _document(found: "Backup") -> dict[str, Any]:
    return {
        "name": found.name,
        "bytes": found.bytes,
        "complete": found.complete,
        **found.manifest.model_dump(),
        "verified": found.verified and found.verified.model_dump(),
    }


def _row(found: "Backup") -> dict[str, str]:
    held, verified = found.manifest, found.verified
    well = "well" if verified and not verified.problems else "DAMAGED"
    return {
        "name": found.name,
        "made at": f"{held.made_at:%Y-%m-%d %H:%M}",
        "MB": f"{found.bytes / MEGA:,.1f}",
        "records": f"{held.rows.get('records', 0):,}",
        "rows": f"{sum(held.rows.values()):,}",
        "objects": f"{held.objects:,}",
        "complete": "yes" if found.complete else f"lacks {held.lost:,}",
        "verified": f"{verified.at:%Y-%m-%d %H:%M} {well}" if verified else "",
    }
