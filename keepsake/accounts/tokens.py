"""Tokens, with which programs sign in: made, listed, revoked.

A token is `ksp_`, 30 random characters (178 bits) and a checksum of 6, all of base62. This is the
form of GitHub's tokens: scanners find one that leaked, and a mistyped one is told without a query.
https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/
With so many random bits a plain SHA-256 is a safe way to store it.

Whom a token stands for is not here (`keepsake/accounts/principal.py`).
"""

import hashlib
import re
import secrets
import string
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from psycopg.rows import class_row

from keepsake.accounts.permissions import PERMISSIONS
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.text.names import clean_name

PREFIX = "ksp_"
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 30
_FORM = re.compile(rf"([0-9A-Za-z]{{{_RANDOM}}})([0-9A-Za-z]{{6}})")
_SPAN = re.compile(r"(\d{1,5})([dh])")


@dataclass(frozen=True)
class Token:
    """A token as it is listed: without the token.

    Attributes:
        id: to revoke it by.
        owner_id: whose records it is for; None: those of all (an admin's).
        owner: the owner's short name.
        user_id: the person whose it is; None: of no person, an operator made it at the shell.
        user, email: that person's name and address.
        name: what it is for.
        prefix, last_four: its first and last characters, to recognise it by.
        scopes: what it may do for the owner, of `PERMISSIONS`; none for an admin's.
        admin: whether it may do all that operators may.
        created_at: when.
        expires_at: from when on it is refused; None: never.
        revoked_at: since when it is refused; None: it is not revoked.
        last_used_at: to the minute; None: never.
    """

    id: int
    owner_id: int | None
    owner: str | None
    user_id: int | None
    user: str | None
    email: str | None
    name: str
    prefix: str
    last_four: str
    scopes: list[str]
    admin: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def create_token(
    connection: Connection,
    name: str,
    *,
    owner_id: int | None,
    scopes: Collection[str] = (),
    user_id: int | None = None,
    expires_at: datetime | None = None,
) -> tuple[str, Token]:
    """Make a token for an owner, or with `owner_id=None` an admin's.

    Returns the token itself, which nothing can show again, and what is listed of it. A user's token
    may do what its scopes and the user's role both allow, at the time of use.

    Raises:
        InvalidInput: there is no such scope, none is given, or the name is no good; the user is no
            member, or for an admin's token no operator.
    """
    if user_id is not None:
        _check_user(connection, user_id, owner_id)
    secret = new_secret()
    row = connection.execute(
        "INSERT INTO tokens (owner_id, user_id, name, prefix, last_four, hash, scopes, admin,"
        " expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
        (
            owner_id,
            user_id,
            clean_name(name),
            secret[: len(PREFIX) + 4],
            secret[-4:],
            hash_of(secret),
            _checked(scopes, admin=owner_id is None),
            owner_id is None,
            expires_at,
        ),
    ).fetchone()
    assert row is not None  # noqa: S101  # RETURNING returns
    return secret, find_token(connection, row[0])


def tokens(connection: Connection, owner_id: int | None = None) -> list[Token]:
    """The tokens of an owner, or all with the admins'; those that are refused too, newest first."""
    return _select(connection, owner_id=owner_id)


def find_token(connection: Connection, token_id: int) -> Token:
    """The token of that id.

    Raises:
        InvalidInput: there is none.
    """
    for token in _select(connection, token_id=token_id):
        return token
    raise InvalidInput(f"there is no token {token_id}: `keepsake token list` has their ids")


def revoke_token(connection: Connection, token_id: int) -> Token:
    """Refuse a token from now on. Repeating it changes nothing.

    Raises:
        InvalidInput: there is none of that id.
    """
    connection.execute(
        "UPDATE tokens SET revoked_at = now() WHERE id = %s AND revoked_at IS NULL", (token_id,)
    )
    return find_token(connection, token_id)


def _select(
    connection: Connection, *, owner_id: int | None = None, token_id: int | None = None
) -> list[Token]:
    with connection.cursor(row_factory=class_row(Token)) as cursor:
        return cursor.execute(
            """
            SELECT t.id, t.owner_id, o.slug AS owner, t.user_id, u.name AS user, u.email, t.name,
                   t.prefix, t.last_four, t.scopes, t.admin, t.created_at, t.expires_at,
                   t.revoked_at, t.last_used_at
            FROM tokens t LEFT JOIN owners o ON o.id = t.owner_id
            LEFT JOIN users u ON u.id = t.user_id
            WHERE (%(owner)s::bigint IS NULL OR t.owner_id = %(owner)s)
              AND (%(id)s::bigint IS NULL OR t.id = %(id)s)
            ORDER BY t.id DESC
            """,
            {"owner": owner_id, "id": token_id},
        ).fetchall()


def _check_user(connection: Connection, user_id: int, owner_id: int | None) -> None:
    if owner_id is None:
        row = connection.execute("SELECT FROM users WHERE id = %s AND operator", (user_id,))
        problem = "the user is no operator, so the token cannot be an admin's"
    else:
        row = connection.execute(
            "SELECT FROM memberships WHERE owner_id = %s AND user_id = %s", (owner_id, user_id)
        )
        problem = "the user is no member of that owner: `keepsake user role` makes one of them"
    if row.fetchone() is None:
        raise InvalidInput(problem)


def _checked(scopes: Collection[str], *, admin: bool) -> list[str]:
    if unknown := sorted(set(scopes) - set(PERMISSIONS)):
        raise InvalidInput(f"there is no scope {unknown[0]!r}: choose of {', '.join(PERMISSIONS)}")
    if admin and scopes:
        raise InvalidInput("an admin's token has no scopes: it may do everything")
    if not admin and not scopes:
        raise InvalidInput(f"the token needs a scope: choose of {', '.join(PERMISSIONS)}")
    return [scope for scope in PERMISSIONS if scope in scopes]


# -- the token itself ---------------------------------------------------------------------------


def new_secret(prefix: str = PREFIX) -> str:
    """A token that was never made before."""
    random = "".join(secrets.choice(_BASE62) for _ in range(_RANDOM))
    return prefix + random + _checksum(random)


def is_well_formed(secret: str, prefix: str = PREFIX) -> bool:
    """Whether it has the form of a token and the checksum fits; not whether it is one."""
    found = _FORM.fullmatch(secret.removeprefix(prefix)) if secret.startswith(prefix) else None
    return found is not None and found[2] == _checksum(found[1])


def hash_of(secret: str) -> bytes:
    """What is stored of a secret: its SHA-256."""
    return hashlib.sha256(secret.encode()).digest()


def _checksum(random: str) -> str:
    number, digits = zlib.crc32(random.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits


# -- how long it is good ------------------------------------------------------------------------


def expiry(text: str, now: datetime | None = None) -> datetime | None:
    """When a token expires that is to be good for `90d` or `12h`, or until `2027-01-31` or `never`.

    A date is the last day (UTC) on which it is good.

    Raises:
        InvalidInput: it is none of these, or it is past.
    """
    now = now or datetime.now(UTC)
    if text.casefold() == "never":
        return None
    try:
        if span := _SPAN.fullmatch(text.casefold()):
            unit = {"d": timedelta(days=1), "h": timedelta(hours=1)}[span[2]]
            until = now + int(span[1]) * unit
        else:
            last_day = date.fromisoformat(text)
            until = datetime.combine(last_day, time(), UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{text!r} says not how long: write it like 90d, 12h, 2027-01-31 or never"
        ) from None
    if until <= now:
        raise InvalidInput(f"{text!r} is past: write a time to come, like 90d")
    return until
