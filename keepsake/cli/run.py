"""Starting, trying out and checking the whole: `up`, `demo`, `doctor`, `db migrate`."""

import typer

from keepsake.cli.shell import Json, console, database_in_reach, print_json

db = typer.Typer(no_args_is_help=True, help="The database's schema.")


def up() -> None:
    """Start everything and stay until Ctrl-C: database, local models, Dagster."""
    from keepsake.local.up import run_forever
    from keepsake.search import prepare
    from keepsake.settings import load_settings

    settings = load_settings()

    def bring_up_to_date(url: str) -> None:
        prepare(url, settings)

    run_forever(settings, prepare=bring_up_to_date, say=typer.echo)


def demo() -> None:
    """See the family line at work, on the memories of a made-up family."""
    from keepsake.demo.demo import run
    from keepsake.settings import load_settings

    if not run(load_settings(), console()):
        raise typer.Exit(1)


def doctor(json: Json = False) -> None:
    """Try every part that the settings name, and say how to mend what is wrong."""
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
            if check.mend:
                out.print(f"{'':21}To mend it: {check.mend}")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@db.command()
def migrate(json: Json = False) -> None:
    """Bring the schema up to date, and make the vector index of the model in force."""
    from keepsake.database import database_url
    from keepsake.search import prepare
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
def stop() -> None:
    """Stop the embedded PostgreSQL that a command started; do it before deleting its folder."""
    from keepsake.local import postgres
    from keepsake.settings import load_settings

    postgres.stop(load_settings().home)
    typer.echo("The embedded PostgreSQL is stopped.")
