"""`keepsake messages`."""

from typing import Annotated

import typer

from keepsake.terminal.shell import Json, filled, open_database, print_json, print_table


def messages(
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 20,
    json: Json = False,
) -> None:
    """Show what was sent to people, what waits, and what could not be sent; never what it says."""
    from keepsake.delivery import outbox
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        found = outbox.messages(connection, limit=limit)
    if json:
        print_json(found)
    elif not found:
        typer.echo("No message yet: see NOTIFY_URLS and ALERT_URLS in docs/settings.md.")
    else:
        rows = [
            {
                "id": message.id,
                "to": message.owner or "operators",
                "by": message.channel,
                "about": message.key,
                "status": message.status,
                "attempts": message.attempts,
                "due": f"{message.due_at:%Y-%m-%d %H:%M}" if message.status == "pending" else None,
                "finished": message.finished_at and f"{message.finished_at:%Y-%m-%d %H:%M}",
                "detail": message.detail,
            }
            for message in found
        ]
        print_table("Messages", rows, filled(rows))
