"""`keepsake token`: what programs sign in with."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import Json, filled, open_database, print_json, print_table

if TYPE_CHECKING:
    from keepsake.accounts.tokens import Token
    from keepsake.database import Connection

tokens = typer.Typer(no_args_is_help=True, help="Tokens, with which programs use the HTTP API.")


@tokens.command()
def create(
    owner: Annotated[str | None, typer.Option(help="Whose records it is for.")] = None,
    scope: Annotated[
        str, typer.Option(help="What it may do: read, ingest, edit, manage; with commas.")
    ] = "",
    expires: Annotated[
        str, typer.Option(help="How long it is good: 90d, 12h, a last day or never.")
    ] = "90d",
    user: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Whose it is: it may do no more than they.")
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "token",
    admin: Annotated[
        bool, typer.Option("--admin", help="It may do everything, for every owner.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the token alone.")] = False,
    json: Json = False,
) -> None:
    """Make a token. It is shown now and never again."""
    from keepsake.accounts.audit import record_write
    from keepsake.accounts.tokens import create_token, expiry
    from keepsake.settings import load_settings

    if admin == (owner is not None):
        raise InvalidInput(
            "say whose records it is for, --owner SLUG, or that it is for all, --admin"
        )
    until = expiry(expires)
    with open_database(load_settings()) as connection, connection.transaction():
        secret, token = create_token(
            connection,
            name,
            owner_id=_owner_id(connection, owner),
            scopes=[part.strip() for part in scope.split(",") if part.strip()],
            user_id=_user_id(connection, user),
            expires_at=until,
        )
        record_write(
            connection, None, "token.create", owner_id=token.owner_id, detail=f"token {token.id}"
        )
    if json:
        print_json({"secret": secret, "token": token})
    elif quiet:
        typer.echo(secret)
    else:
        until_when = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until it is revoked"
        typer.echo(f"Made token {token.id}, good {until_when}. It is not shown again:\n{secret}")


@tokens.command("list")
def list_tokens(
    owner: Annotated[str | None, typer.Option(help="Only those of this owner.")] = None,
    json: Json = False,
) -> None:
    """List tokens with the time of their last use, newest first; never the tokens themselves."""
    from keepsake.accounts.tokens import tokens as all_tokens
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        found = all_tokens(connection, _owner_id(connection, owner))
    if json:
        print_json(found)
    elif not found:
        typer.echo("No tokens yet: make one with `keepsake token create`.")
    else:
        rows = [_row(token) for token in found]
        print_table("Tokens", rows, filled(rows))


@tokens.command()
def revoke(
    token_id: Annotated[int, typer.Argument(metavar="ID", help="As in `keepsake token list`.")],
    json: Json = False,
) -> None:
    """Refuse a token from now on."""
    from keepsake.accounts.audit import record_write
    from keepsake.accounts.tokens import revoke_token
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection, connection.transaction():
        token = revoke_token(connection, token_id)
        record_write(
            connection, None, "token.revoke", owner_id=token.owner_id, detail=f"token {token.id}"
        )
    if json:
        print_json(token)
    else:
        typer.echo(f"Token {token.id} ({token.name}) is refused from now on.")


def _row(token: "Token") -> dict[str, Any]:
    return {
        "id": token.id,
        "token": f"{token.prefix}…{token.last_four}",
        "name": token.name,
        "owner": "all" if token.admin else token.owner,
        "user": token.email,
        "may": "everything" if token.admin else ", ".join(token.scopes),
        "expires": token.expires_at and f"{token.expires_at:%Y-%m-%d %H:%M}",
        "last used": token.last_used_at and f"{token.last_used_at:%Y-%m-%d %H:%M}",
        "revoked": token.revoked_at and f"{token.revoked_at:%Y-%m-%d %H:%M}",
    }


def _owner_id(connection: "Connection", name: str | None) -> int | None:
    from keepsake.owners.owners import find_owner

    return None if name is None else find_owner(connection, name).id


def _user_id(connection: "Connection", email: str | None) -> int | None:
    from keepsake.accounts.users import find_user

    return None if email is None else find_user(connection, email).id
