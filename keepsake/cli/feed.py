"""`keepsake feed`: who hears an owner's feeds, and which stories a family's has."""

from typing import TYPE_CHECKING, Annotated

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import Json, filled, open_database, print_json, print_table

if TYPE_CHECKING:
    from keepsake.accounts.listeners import Listener
    from keepsake.database import Connection
    from keepsake.family.feed.approval import State
    from keepsake.owners.owners import Owner

feed = typer.Typer(
    no_args_is_help=True, help="Private feeds: the podcast of a family, the weeks of a runner."
)

OwnerName = Annotated[str, typer.Argument(metavar="OWNER", help="Name, short name or id.")]
Stories = Annotated[list[int], typer.Argument(metavar="ID...", help="Ids of records.")]


@feed.command("add")
def add(
    owner: OwnerName,
    name: Annotated[str, typer.Argument(help="Who listens, such as `Grandson Tom`.")],
    json: Json = False,
) -> None:
    """Make the address of a feed for one listener. It is shown this once."""
    from keepsake.delivery.feeds import feed_root, subscribe
    from keepsake.owners.owners import find_owner
    from keepsake.settings import load_settings

    settings = load_settings()
    root = feed_root(settings)
    with open_database(settings) as connection, connection.transaction():
        found = find_owner(connection, owner)
        made = subscribe(connection, None, found.id, name, root)
    if json:
        print_json(made)
        return
    for address in filter(None, (made.podcast, made.running)):
        typer.echo(address)
    typer.echo(
        f"This is for {made.listener.name} alone, and cannot be shown again: whoever has it can "
        f'listen. To take it back: `keepsake feed revoke {found.slug} "{made.listener.name}"`.',
        err=True,
    )


@feed.command("list")
def list_(owner: OwnerName, json: Json = False) -> None:
    """Show an owner's listeners, and when each was last there."""
    from keepsake.accounts.listeners import listeners
    from keepsake.owners.owners import find_owner
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        found = find_owner(connection, owner)
        known = listeners(connection, found.id)
    if json:
        print_json(known)
    elif not known:
        typer.echo(f'No listeners yet: `keepsake feed add {found.slug} "Grandson Tom"` adds one.')
    else:
        rows = [_row(listener) for listener in known]
        print_table(f"Listeners of {found.name}", rows, filled(rows))


def _row(listener: "Listener") -> dict[str, str | int]:
    from keepsake.text.moments import when

    last, gone = listener.last_used_at, listener.revoked_at
    return {
        "id": listener.id,
        "listener": listener.name,
        "token": f"{listener.prefix}…{listener.last_four}",
        "last fetched": when(last) if last else "never",
        "with": listener.user_agent or "",
        "revoked": when(gone) if gone else "",
    }


@feed.command("revoke")
def revoke(
    owner: OwnerName,
    listener: Annotated[str, typer.Argument(help="Name or id of the listener.")],
    json: Json = False,
) -> None:
    """Let a listener's address answer no more. Those of the others stay."""
    from keepsake.delivery.feeds import unsubscribe
    from keepsake.owners.owners import find_owner
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection, connection.transaction():
        found = find_owner(connection, owner)
        listener_id = _listener(connection, found, listener)
        revoked = unsubscribe(connection, None, found.id, listener_id)
    if json:
        print_json(revoked)
    else:
        typer.echo(f"The address of {revoked.name} answers no more.")


def _listener(connection: "Connection", owner: "Owner", name: str) -> int:
    from keepsake.accounts.listeners import listeners

    known = listeners(connection, owner.id)
    for each in known:
        named = not each.revoked_at and name.casefold() == each.name.casefold()
        if named or name == str(each.id):
            return each.id
    names = ", ".join(each.name for each in known if not each.revoked_at) or "none"
    raise InvalidInput(f"{owner.name} has no listener {name!r} (known: {names})")


@feed.command("policy")
def policy(
    owner: OwnerName,
    stories: Annotated[
        str, typer.Argument(help="all: every story enters unless it is hidden; approved: no other.")
    ],
    json: Json = False,
) -> None:
    """Say which stories enter a family's podcast by themselves."""
    from keepsake.accounts.audit import record_write
    from keepsake.family.feed.approval import set_policy
    from keepsake.family.response import find_family
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection, connection.transaction():
        home = find_family(connection, owner)
        set_policy(connection, home.id, stories)
        record_write(connection, None, "feed.policy", owner_id=home.id, detail=stories)
    if json:
        print_json({"owner": home.slug, "policy": stories})
        return
    says = {
        "all": "every story with an episode enters, unless it is hidden",
        "approved": "only stories that were approved enter",
    }
    typer.echo(f"{home.name}: {says[stories]}.")


@feed.command("approve")
def approve(records: Stories, json: Json = False) -> None:
    """Let stories enter their family's podcast."""
    _decide(records, "approved", json=json)


@feed.command("hide")
def hide(records: Stories, json: Json = False) -> None:
    """Take stories out of their family's podcast, at once. They stay with the family."""
    _decide(records, "hidden", json=json)


def _decide(records: list[int], state: "State", *, json: bool) -> None:
    from keepsake.family.feed.approval import decide
    from keepsake.records.lookup import owner_of
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection, connection.transaction():
        decided = [
            decide(connection, None, owner_of(connection, record), record, state)
            for record in records
        ]
    if json:
        print_json(decided)
        return
    for each in decided:
        waits = "" if each.has_episode else "; it has no episode yet"
        typer.echo(f"Record {each.record_id} is {state}{waits}.")
