"""Listeners: who hears an owner's feeds, each with a token of their own in the feed's address.

Players send no other proof of who they are, so the address is the key: made for one person, shown
once, revoked without touching the others. What a feed says is not here (`keepsake/family/feed/`,
`keepsake/running/feed.py`).
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from keepsake.accounts.tokens import hash_of, is_well_formed, new_secret
from keepsake.database import Connection, Pool
from keepsake.errors import InvalidInput
from keepsake.text.names import clean_name, printable

PREFIX = "ksf_"
MOST_OF_AGENT = 200  # characters that are kept of how a program names itself


@dataclass(frozen=True)
class Listener:
    """A listener as it is listed: without the token.

    Attributes:
        id: to revoke it by.
        owner: the owner's short name.
        name: the person's, or the player's.
        prefix, last_four: the token's first and last characters, to recognise it by.
        created_at: when.
        revoked_at: since when the address answers no more; None: it does.
        last_used_at: when it was last fetched, to the minute; None: never.
        user_agent: how the program named itself then.
    """

    id: int
    owner: str
    name: str
    prefix: str
    last_four: str
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    user_agent: str | None


@dataclass(frozen=True)
class Listening:
    """Who fetches a feed: the listener, and for which owner."""

    listener_id: int
    owner_id: int


def add_listener(connection: Connection, owner_id: int, name: str) -> tuple[str, Listener]:
    """Make a token for a listener. Returns it, which nothing can show again, and what is listed.

    Raises:
        InvalidInput: the name is no good, or a listener has it whose token is not revoked.
    """
    name, secret = clean_name(name), new_secret(PREFIX)
    try:
        row = connection.execute(
            "INSERT INTO listeners (owner_id, name, prefix, last_four, hash)"
            " VALUES (%s, %s, %s, %s, %s) RETURNING id",
            (owner_id, name, secret[: len(PREFIX) + 4], secret[-4:], hash_of(secret)),
        ).fetchone()
    except UniqueViolation:
        raise InvalidInput(
            f"there is already a listener named {name!r}: choose another name, or revoke that one "
            "first"
        ) from None
    assert row is not None  # noqa: S101  # RETURNING returns
    return secret, _select(connection, owner_id, row[0])[0]


def listeners(connection: Connection, owner_id: int) -> list[Listener]:
    """The listeners of an owner, revoked ones too, newest first."""
    return _select(connection, owner_id, None)


def revoke_listener(connection: Connection, owner_id: int, listener_id: int) -> Listener:
    """Let a listener's address answer no more. Repeating it changes nothing.

    Raises:
        InvalidInput: the owner has no such listener.
    """
    connection.execute(
        "UPDATE listeners SET revoked_at = now()"
        " WHERE id = %s AND owner_id = %s AND revoked_at IS NULL",
        (listener_id, owner_id),
    )
    for listener in _select(connection, owner_id, listener_id):
        return listener
    raise InvalidInput(
        f"there is no listener {listener_id} here: `keepsake feed list` shows those there are"
    )


def _select(connection: Connection, owner_id: int, listener_id: int | None) -> list[Listener]:
    with connection.cursor(row_factory=class_row(Listener)) as cursor:
        return cursor.execute(
            """
            SELECT l.id, o.slug AS owner, l.name, l.prefix, l.last_four, l.created_at,
                   l.revoked_at, l.last_used_at, l.user_agent
            FROM listeners l JOIN owners o ON o.id = l.owner_id
            WHERE l.owner_id = %(owner)s AND (%(id)s::bigint IS NULL OR l.id = %(id)s)
            ORDER BY l.id DESC
            """,
            {"owner": owner_id, "id": listener_id},
        ).fetchall()


async def by_feed_token(pool: Pool, token: str, user_agent: str | None) -> Listening | None:
    """Whom the token of a feed's address stands for; None: it is malformed, unknown or revoked.

    Notes the use, at most once a minute and program.
    """
    if not is_well_formed(token, PREFIX):
        return None
    agent = printable(user_agent or "")[:MOST_OF_AGENT] or None
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT id, owner_id, last_used_at > now() - interval '1 minute'"
            " AND user_agent IS NOT DISTINCT FROM %s FROM listeners"
            " WHERE hash = %s AND revoked_at IS NULL",
            (agent, hash_of(token)),
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        listener_id, owner_id, noted = row
        if not noted:
            await connection.execute(
                "UPDATE listeners SET last_used_at = now(), user_agent = %s WHERE id = %s",
                (agent, listener_id),
            )
    return Listening(listener_id, owner_id)
