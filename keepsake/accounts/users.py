"""Users and memberships: the people who sign in, and what they are to which owner."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from keepsake.accounts.permissions import ROLES
from keepsake.database import AsyncConnection, Connection
from keepsake.errors import InvalidInput
from keepsake.text.names import clean_name


@dataclass(frozen=True)
class User:
    """A person. `operator`: may do everything, for every owner."""

    id: int
    email: str
    name: str
    operator: bool
    created_at: datetime


@dataclass(frozen=True)
class Membership:
    """What a person is to an owner. `owner` is its short name, `role` one of `ROLES`."""

    owner_id: int
    owner: str
    user_id: int
    email: str
    name: str
    role: str


def add_user(connection: Connection, email: str, name: str, *, operator: bool = False) -> User:
    """Add a person, who is no member yet.

    Raises:
        InvalidInput: that is no address or no name, or there is a user of that address.
    """
    address = check_email(email)
    try:
        connection.execute(
            "INSERT INTO users (email, name, operator) VALUES (%s, %s, %s)",
            (address, clean_name(name), operator),
        )
    except UniqueViolation:
        raise InvalidInput(f"there is already a user {address}") from None
    return find_user(connection, address)


def find_user(connection: Connection, email: str) -> User:
    """The person of that address, in capitals or not.

    Raises:
        InvalidInput: there is none.
    """
    with connection.cursor(row_factory=class_row(User)) as cursor:
        user = cursor.execute(
            "SELECT id, email, name, operator, created_at FROM users"
            " WHERE lower(email) = lower(%s)",
            (check_email(email),),
        ).fetchone()
    if user is None:
        raise InvalidInput(f"there is no user {email!r}: add one with `keepsake user add`")
    return user


def users(connection: Connection) -> list[User]:
    """All, by address."""
    with connection.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(
            "SELECT id, email, name, operator, created_at FROM users ORDER BY lower(email)"
        ).fetchall()


async def name_of(connection: AsyncConnection, user_id: int) -> str | None:
    """The name of a person; None: they were removed."""
    cursor = await connection.execute("SELECT name FROM users WHERE id = %s", (user_id,))
    row = await cursor.fetchone()
    return row[0] if row else None


def remove_user(connection: Connection, user_id: int) -> None:
    """Remove a person with memberships, tokens and sessions. Their owners' records stay."""
    connection.execute("DELETE FROM users WHERE id = %s", (user_id,))


def memberships(
    connection: Connection, *, owner_id: int | None = None, user_id: int | None = None
) -> list[Membership]:
    """Those of an owner, of a person, or all; by owner and address."""
    with connection.cursor(row_factory=class_row(Membership)) as cursor:
        return cursor.execute(
            """
            SELECT m.owner_id, o.slug AS owner, m.user_id, u.email, u.name, m.role
            FROM memberships m JOIN owners o ON o.id = m.owner_id JOIN users u ON u.id = m.user_id
            WHERE (%(owner)s::bigint IS NULL OR m.owner_id = %(owner)s)
              AND (%(user)s::bigint IS NULL OR m.user_id = %(user)s)
            ORDER BY o.slug, lower(u.email)
            """,
            {"owner": owner_id, "user": user_id},
        ).fetchall()


def set_role(connection: Connection, *, owner_id: int, user_id: int, role: str) -> None:
    """Make a person a member of an owner, or change the member's role.

    Raises:
        InvalidInput: there is no such role.
    """
    if role not in ROLES:
        raise InvalidInput(f"there is no role {role!r}: choose of {', '.join(ROLES)}")
    connection.execute(
        "INSERT INTO memberships (owner_id, user_id, role) VALUES (%s, %s, %s)"
        " ON CONFLICT (owner_id, user_id) DO UPDATE SET role = excluded.role",
        (owner_id, user_id, role),
    )


def remove_member(connection: Connection, *, owner_id: int, user_id: int) -> bool:
    """End a membership, and with it the person's tokens for the owner. Whether there was one."""
    ended = connection.execute(
        "DELETE FROM memberships WHERE owner_id = %s AND user_id = %s", (owner_id, user_id)
    )
    return ended.rowcount > 0


def check_manager_left(connection: Connection, owner_id: int) -> None:
    """Call it after members have changed, in their transaction, where members change members.

    Raises:
        InvalidInput: there is none left with the role `owner`: only operators could change it.
    """
    members = memberships(connection, owner_id=owner_id)
    if not any(member.role == "owner" for member in members):
        raise InvalidInput("somebody must stay who may manage it: make another one its owner first")


def check_email(email: str) -> str:
    """The address without space around it. Only a mail that arrives shows that it is one.

    Raises:
        InvalidInput: it cannot be one.
    """
    address = email.strip()
    name, at, host = address.rpartition("@")
    plain = address.isprintable() and not any(sign in address for sign in " \t<>,;\"'")
    if not (name and at and host and plain) or "@" in name or len(address) > 254:
        raise InvalidInput("that is no e-mail address: write it like ada@example.org")
    return address
