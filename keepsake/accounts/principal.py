"""Who asks: a person, or a program with a token, and what they may do for which owner."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import LiteralString

from keepsake.accounts import sessions, tokens
from keepsake.accounts.permissions import PERMISSIONS, ROLES
from keepsake.accounts.tokens import hash_of
from keepsake.database import Pool


@dataclass(frozen=True)
class Access:
    """What may be done for one owner: some of `PERMISSIONS`."""

    owner_id: int
    slug: str
    permissions: frozenset[str]


@dataclass(frozen=True)
class Principal:
    """Who asks.

    Attributes:
        user_id: the person; None: a token of no person.
        name: the person's, or the token's.
        operator: may do everything, for every owner.
        owners: by id, those whom a person is a member of; the one that a token is for.
        token_id, session_id: how they signed in.
    """

    user_id: int | None
    name: str
    operator: bool = False
    owners: Mapping[int, Access] = field(default_factory=dict)
    token_id: int | None = None
    session_id: int | None = None

    def may(self, owner_id: int, permission: str) -> bool:
        """Whether they may do that for the owner. `permission` is one of `PERMISSIONS`."""
        if permission not in PERMISSIONS:
            raise ValueError(f"no permission {permission!r}")
        access = self.owners.get(owner_id)
        return self.operator or (access is not None and permission in access.permissions)


async def by_token(pool: Pool, token: str) -> Principal | None:
    """Whom a token stands for; None: it is malformed, unknown, revoked or expired."""
    if not tokens.is_well_formed(token):
        return None
    async with pool.connection() as connection:
        cursor = await connection.execute(_PROGRAM, (hash_of(token),))
        row = await cursor.fetchone()
        if row is None:
            return None
        *found, used_lately = row
        principal = _of_token(*found)
        if not used_lately:
            await connection.execute(_PROGRAM_SEEN, (principal.token_id,))
    return principal


async def by_session(pool: Pool, cookie: str) -> Principal | None:
    """Whom a session stands for; None: it is malformed, unknown, ended or over."""
    if not sessions.is_well_formed(cookie):
        return None
    async with pool.connection() as connection:
        cursor = await connection.execute(_OF_SESSION, (hash_of(cookie), sessions.LASTS))
        row = await cursor.fetchone()
        if row is None:
            return None
        *found, used_lately = row
        principal = _of_user(*found)
        if not used_lately:
            await connection.execute(_PERSON_SEEN, (principal.session_id,))
    return principal


async def by_email(pool: Pool, email: str) -> Principal | None:
    """The user of an address whom a proxy of ours has signed in; None: there is none."""
    async with pool.connection() as connection:
        cursor = await connection.execute(_OF_EMAIL, (email.replace("\x00", ""),))
        row = await cursor.fetchone()
    return None if row is None else _of_user(*row)


# A user's token ends with what the user was: no operator any more, no admin's token.
_PROGRAM: LiteralString = """
    SELECT t.id, t.user_id, coalesce(u.name, t.name), t.admin, t.owner_id, o.slug, t.scopes, m.role,
           coalesce(t.last_used_at > now() - interval '1 minute', false)
    FROM tokens t
    LEFT JOIN owners o ON o.id = t.owner_id
    LEFT JOIN users u ON u.id = t.user_id
    LEFT JOIN memberships m ON m.owner_id = t.owner_id AND m.user_id = t.user_id
    WHERE t.hash = %s AND t.revoked_at IS NULL AND (t.expires_at > now()) IS NOT false
      AND (u.operator OR NOT t.admin OR t.user_id IS NULL)
"""


def _of_token(
    token_id: int,
    user_id: int | None,
    name: str,
    admin: bool,
    owner_id: int | None,
    slug: str,
    scopes: list[str],
    role: str | None,
) -> Principal:
    owners: dict[int, Access] = {}
    if owner_id is not None:
        permissions = frozenset(scopes)
        if role is not None:
            permissions &= ROLES[role]
        owners[owner_id] = Access(owner_id, slug, permissions)
    return Principal(user_id, name, admin, owners, token_id=token_id)


_COLUMNS: LiteralString = "u.id, u.name, u.operator, m.ids, m.slugs, m.roles"
_WITH_OWNERS: LiteralString = """
    CROSS JOIN LATERAL (
        SELECT array_agg(o.id) AS ids, array_agg(o.slug) AS slugs, array_agg(m.role) AS roles
        FROM memberships m JOIN owners o ON o.id = m.owner_id WHERE m.user_id = u.id) AS m
"""
_OF_SESSION: LiteralString = (
    f"SELECT {_COLUMNS}, s.id, s.last_used_at > now() - interval '1 minute'"  # noqa: S608
    f" FROM sessions s JOIN users u ON u.id = s.user_id {_WITH_OWNERS}"
    " WHERE s.hash = %s AND s.last_used_at > now() - %s"
)
_OF_EMAIL: LiteralString = (
    f"SELECT {_COLUMNS}, NULL FROM users u {_WITH_OWNERS} WHERE lower(u.email) = lower(%s)"  # noqa: S608
)


def _of_user(
    user_id: int,
    name: str,
    operator: bool,
    ids: list[int] | None,
    slugs: list[str] | None,
    roles: list[str] | None,
    session_id: int | None,
) -> Principal:
    owners = {
        owner_id: Access(owner_id, slug, ROLES[role])
        for owner_id, slug, role in zip(ids or (), slugs or (), roles or (), strict=True)
    }
    return Principal(user_id, name, operator, owners, session_id=session_id)


# At most once a minute: the second of two at once finds nothing to write.
_PROGRAM_SEEN: LiteralString = """
    UPDATE tokens SET last_used_at = now()
    WHERE id = %s AND (last_used_at > now() - interval '1 minute') IS NOT true
"""
_PERSON_SEEN: LiteralString = """
    UPDATE sessions SET last_used_at = now()
    WHERE id = %s AND last_used_at <= now() - interval '1 minute'
"""
