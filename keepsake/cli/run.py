"""Starting, trying out and checking the whole: `up`, `serve`, `demo`, `doctor`, `db migrate`."""

import sys
from typing import Annotated

import typer

from keepsake.errors import InvalidInput, KeepsakeError
from keepsake.terminal.shell import Json, console, database_in_reach, print_json

db = typer.Typer(no_args_is_help=True, help="The database's schema.")


def up() -> None:
    """Start everything and stay until Ctrl-C: database, local models, API, Dagster."""
    from keepsake.accounts.first_user import EMAIL, first_sign_in
    from keepsake.database import connect
    from keepsake.delivery.sign_in_mail import link_url
    from keepsake.local.up import run_forever
    from keepsake.prepare import prepare
    from keepsake.settings import load_settings

    settings = load_settings()

    def bring_up_to_date(url: str) -> None:
        prepare(url, settings)

    def welcome(url: str) -> str:
        with connect(url) as connection:
            sign_in = first_sign_in(connection)
        if sign_in is None:
            return ""
        link = link_url(sign_in, settings.base_url)
        return (
            f"Sign in   {link}\n          good for 15 minutes; `keepsake user link {EMAIL}` makes "
            "another, `keepsake user add` adds people"
        )

    run_forever(settings, prepare=bring_up_to_date, say=typer.echo, welcome=welcome)


def serve() -> None:
    """Serve the API and the pages alone, until Ctrl-C: where a server runs each part by itself."""
    from keepsake.api.serve import serve
    from keepsake.settings import load_settings
    from keepsake.terminal.shell import open_database

    settings = load_settings()
    with open_database(settings):
        pass  # else the first thing people see is how a pool of connections failed
    serve(settings)


def demo(
    line: Annotated[
        list[str] | None,
        typer.Option(help="family, bookmarks or running; several times for several. Default: all."),
    ] = None,
) -> None:
    """See the lines at work, on what a made-up family said, saved and ran."""
    from keepsake.demo.demo import CHAPTERS, run
    from keepsake.settings import load_settings

    lines = list(CHAPTERS) if not line else [each for each in CHAPTERS if each in line]
    if unknown := sorted(set(line or ()) - set(CHAPTERS)):
        raise InvalidInput(f"--line {unknown[0]}: the demo has {', '.join(CHAPTERS)}")
    out = console()
    try:
        well = run(load_settings(), out, lines)
    except KeyboardInterrupt:
        out.print(
            "The demo has stopped. What was made stays, and `keepsake demo` goes on from there."
        )
        raise typer.Exit(130) from None
    if not well:
        raise typer.Exit(1)


def doctor(json: Json = False) -> None:
    """Try every part that the settings name, and say how to fix what is wrong."""
    from keepsake.doctor import examine

    checks = examine()
    if json:
        print_json(checks)
    else:
        out = console()
        for check in checks:
            out.print(
                f"{'ok' if check.ok else 'FAILED':7}", style="green" if check.ok else "red", end=""
            )
            out.print(f"{check.name:14}", style="bold", end="")
            out.print(check.detail)
            if check.fix:
                out.print(f"{'':21}To fix it: {check.fix}")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@db.command()
def migrate(json: Json = False) -> None:
    """Bring the schema up to date, and make the vector index of the model in force."""
    from keepsake.database import database_url
    from keepsake.prepare import prepare
    from keepsake.settings import load_settings

    settings = load_settings()
    with database_in_reach():
        applied = prepare(database_url(settings), settings)
    names = [f"{migration.number:04} {migration.name}" for migration in applied]
    if json:
        print_json({"applied": names})
    else:
        typer.echo("\n".join(f"Applied {name}." for name in names) or "The schema is up to date.")


@db.command()
def stop(
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Also under a running `keepsake up`, unasked.")
    ] = False,
    json: Json = False,
) -> None:
    """Stop the embedded PostgreSQL that a command started; do it before deleting its folder."""
    from keepsake.embedded import postgres
    from keepsake.local.up import end_supervisor, supervisor
    from keepsake.settings import load_settings

    settings = load_settings()
    up = None if settings.database_url else supervisor(settings)
    if up is not None:
        if not (yes or _asked_to_stop(up.pid)):
            typer.echo("Nothing was stopped.")
            raise typer.Exit(1)
        end_supervisor(up)
    stopped = postgres.stop(settings.home) or up is not None
    if json:
        print_json({"home": str(settings.home), "stopped": stopped})
        return
    how = "is stopped" if stopped else "was not running"
    typer.echo(f"The embedded PostgreSQL of {settings.home} {how}.")


def _asked_to_stop(pid: int) -> bool:
    """Whether a person wants all of a running `keepsake up` stopped.

    Raises:
        KeepsakeError: there is no person to ask.
    """
    what = f"`keepsake up` runs on this database (process {pid})"
    if not sys.stdin.isatty():
        raise KeepsakeError(
            f"{what}: stop it there with Ctrl-C, or all of it with `keepsake db stop --yes`"
        )
    return typer.confirm(f"{what}. Stop all of it? What its runs have finished is stored.")
