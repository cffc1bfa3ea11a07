"""`keepsake user`: the people who sign in, and what they are to which owner."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import Json, filled, open_database, print_json, print_table

if TYPE_CHECKING:
    from keepsake.accounts.users import Membership, User

users = typer.Typer(no_args_is_help=True, help="People who sign in, and what they may do.")

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The person's address.")]
Role = Annotated[str, typer.Option(help="viewer, editor or owner.")]


@users.command()
def add(
    email: Email,
    name: Annotated[str, typer.Option(help="What the person is called.")],
    operator: Annotated[
        bool, typer.Option("--operator", help="May do everything, for every owner.")
    ] = False,
    owner: Annotated[str | None, typer.Option(help="Make the person a member of it.")] = None,
    role: Role = "viewer",
    json: Json = False,
) -> None:
    """Add a person, with --owner as a member of that owner."""
    from keepsake.accounts.audit import record_write
    from keepsake.accounts.users import add_user, set_role
    from keepsake.owners.owners import find_owner
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection, connection.transaction():
        member_of = None if owner is None else find_owner(connection, owner).id
        user = add_user(connection, email, name, operator=operator)
        record_write(connection, None, "user.add", owner_id=None, detail=f"user {user.id}")
        if member_of is not None:
            set_role(connection, owner_id=member_of, user_id=user.id, role=role)
            detail = f"user {user.id}: {role}"
            record_write(connection, None, "member.set", owner_id=member_of, detail=detail)
    if json:
        print_json(user)
    else:
        typer.echo(f"Added {user.name}: `keepsake user link {user.email}` signs them in.")


@users.command("list")
def list_users(json: Json = False) -> None:
    """List all people, and what they are to which owner."""
    from keepsake.accounts.users import memberships
    from keepsake.accounts.users import users as all_users
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        found, members = all_users(connection), memberships(connection)
    rows = [_row(user, [m for m in members if m.user_id == user.id]) for user in found]
    if json:
        print_json([{**vars(user), "owners": _roles(members, user.id)} for user in found])
    elif not rows:
        typer.echo("No users yet: add one with `keepsake user add`.")
    else:
        print_table("Users", rows, filled(rows))


@users.command()
def role(
    email: Email,
    owner: Annotated[str, typer.Option(help="Of which owner.")],
    role: Annotated[str, typer.Option(help="viewer, editor, owner, or none.")],
    json: Json = False,
) -> None:
    """Make a person a member of an owner, change the member's role, or end the membership."""
    from keepsake.accounts.audit import record_write
    from keepsake.accounts.users import find_user, memberships, remove_member, set_role
    from keepsake.owners.owners import find_owner
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection, connection.transaction():
        user, of = find_user(connection, email), find_owner(connection, owner)
        if role != "none":
            set_role(connection, owner_id=of.id, user_id=user.id, role=role)
        elif not remove_member(connection, owner_id=of.id, user_id=user.id):
            raise InvalidInput(f"{user.email} is no member of {of.slug}")
        detail = f"user {user.id}: {role}"
        record_write(connection, None, "member.set", owner_id=of.id, detail=detail)
        members = memberships(connection, owner_id=of.id)
    if json:
        print_json(members)
    else:
        is_now = "no member" if role == "none" else role
        typer.echo(f"{user.name} is now {is_now} of {of.name}.")


@users.command()
def remove(email: Email, json: Json = False) -> None:
    """Remove a person with memberships, tokens and sessions. Their owners' records stay."""
    from keepsake.accounts.audit import record_write
    from keepsake.accounts.users import find_user, remove_user
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection, connection.transaction():
        user = find_user(connection, email)
        remove_user(connection, user.id)
        record_write(connection, None, "user.remove", owner_id=None, detail=f"user {user.id}")
    if json:
        print_json(user)
    else:
        typer.echo(f"Removed {user.name}, with the tokens and sessions they had.")


@users.command()
def link(email: Email, json: Json = False) -> None:
    """Print a link and a code with which a person signs in, once."""
    from keepsake.accounts.audit import record_write
    from keepsake.accounts.sign_in import request_sign_in
    from keepsake.accounts.users import find_user
    from keepsake.delivery.sign_in_mail import link_url
    from keepsake.settings import load_settings

    settings = load_settings()
    with open_database(settings) as connection, connection.transaction():
        user = find_user(connection, email)
        sign_in = request_sign_in(connection, user.email, limited=False)
        assert sign_in is not None  # noqa: S101  # the user is there, and no limit holds
        record_write(connection, None, "sign_in.link", owner_id=None, detail=f"user {user.id}")
    url = link_url(sign_in, settings.base_url)
    if json:
        print_json({"url": url, "code": sign_in.code})
    else:
        typer.echo(f"{url}\nOr the code {sign_in.code} at {settings.base_url}/sign-in/code.")
        typer.echo("Good for 15 minutes, and for one use in all.", err=True)


def _row(user: "User", members: "list[Membership]") -> dict[str, Any]:
    return {
        "email": user.email,
        "name": user.name,
        "operator": "yes" if user.operator else "",
        "owners": ", ".join(f"{slug} ({role})" for slug, role in _roles(members, user.id).items()),
        "since": f"{user.created_at:%Y-%m-%d}",
    }


def _roles(members: "list[Membership]", user_id: int) -> dict[str, str]:
    return {m.owner: m.role for m in members if m.user_id == user_id}
