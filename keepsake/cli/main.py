"""The command and its groups, put together."""

from typing import Annotated

import typer

from keepsake import lines
from keepsake.cli import (
    alerts,
    backup,
    costs,
    delete,
    edit,
    export,
    feed,
    find,
    groups,
    jobs,
    logs,
    messages,
    metrics,
    monitor,
    owners,
    run,
    show,
    status,
    tokens,
    users,
    webhooks,
)
from keepsake.terminal.shell import Commands


def show_version(wanted: bool) -> None:
    """Print which Keepsake this is, and end."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"keepsake {version('keepsake')}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=show_version, is_eager=True, help="Show the version."),
]

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    # A traceback with local variables would print what people said.
    pretty_exceptions_enable=False,
    help="Keepsake turns what people record, save and run into things worth keeping: a voice "
    "message becomes a transcript, tagged wisdom, a quote in the speaker's own voice, a story and "
    "a podcast episode; a link becomes a summary, keywords and its media; a run becomes a letter.",
    epilog="Settings come from the environment or .env; docs/settings.md lists them. "
    "Start with `keepsake demo`, then `keepsake up`.",
)


@app.callback()
def options(version: Version = False) -> None:
    """What holds for the command as a whole; its help is above."""


app.add_typer(groups.add, name="add", rich_help_panel="Records")
app.add_typer(groups.importing, name="import", rich_help_panel="Records")
groups.add.command("owner")(owners.add)
app.command("status", rich_help_panel="Records")(status.status)
app.command("records", rich_help_panel="Records")(show.records)
app.command("show", rich_help_panel="Records")(show.show)
app.command("batches", rich_help_panel="Records")(status.batches)
app.command("messages", rich_help_panel="Owners")(messages.messages)
app.command("search", rich_help_panel="Records")(find.search)
app.command("tag", rich_help_panel="Records")(edit.tag)
app.command("delete", rich_help_panel="Records")(delete.delete)
app.command("untag", rich_help_panel="Records")(edit.untag)
app.command("edit", rich_help_panel="Records")(edit.edit)
app.command("retry", rich_help_panel="Records")(status.retry)
app.command("redo", rich_help_panel="Records")(status.redo)
app.command("owners", rich_help_panel="Owners")(owners.owners)
app.command("owner", rich_help_panel="Owners")(owners.owner)
app.add_typer(users.users, name="user", rich_help_panel="Owners")
app.add_typer(tokens.tokens, name="token", rich_help_panel="Owners")
app.add_typer(feed.feed, name="feed", rich_help_panel="Owners")
app.add_typer(webhooks.webhooks, name="webhooks", rich_help_panel="Owners")
app.command("export", rich_help_panel="Owners")(export.export)
app.command("costs", rich_help_panel="Owners")(costs.costs)
app.add_typer(jobs.jobs, name="jobs", rich_help_panel="Running it")
app.add_typer(alerts.alerts, name="alerts", rich_help_panel="Running it")
app.command("up", rich_help_panel="Running it")(run.up)
app.command("serve", rich_help_panel="Running it")(run.serve)
app.command("logs", rich_help_panel="Running it")(logs.logs)
app.command("metrics", rich_help_panel="Running it")(metrics.metrics)
app.command("monitor", rich_help_panel="Running it")(monitor.monitor)
app.command("demo", rich_help_panel="Running it")(run.demo)
app.command("doctor", rich_help_panel="Running it")(run.doctor)
app.add_typer(run.db, name="db", rich_help_panel="Running it")
app.add_typer(backup.backup, name="backup", rich_help_panel="Running it")

for module in lines.LINES:
    if module.add_commands:
        module.add_commands(groups.add, groups.importing, app)
