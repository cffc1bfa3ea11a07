"""The audit log: who wrote what, when. Owners read theirs, operators all.

It holds ids, no content, and no network address: a user or a token says who it was, an address does
not, and the hash of one is undone by trying all four thousand million of them.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString, overload

from psycopg.rows import class_row

from keepsake.accounts.principal import Principal
from keepsake.database import AsyncConnection, Connection


@dataclass(frozen=True)
class Write:
    """One entry.

    Attributes:
        id: counts up.
        at: when.
        owner: short name of whose it was; None: it concerned no single owner.
        user: the person's name; None: no person, or one who was removed.
        token: the token's name; None: in a session or at the shell, or an owner's who was removed.
        action: what, such as `record.delete`.
        record_id: of which record.
        detail: of what else, such as `token 12`.
    """

    id: int
    at: datetime
    owner: str | None
    user_id: int | None
    user: str | None
    token_id: int | None
    token: str | None
    action: str
    record_id: int | None
    detail: str


@overload
def record_write(
    connection: AsyncConnection,
    who: Principal | None,
    action: str,
    *,
    owner_id: int | None,
    record_id: int | None = None,
    detail: str = "",
) -> Awaitable[object]: ...


@overload
def record_write(
    connection: Connection,
    who: Principal | None,
    action: str,
    *,
    owner_id: int | None,
    record_id: int | None = None,
    detail: str = "",
) -> object: ...


def record_write(
    connection: Connection | AsyncConnection,
    who: Principal | None,
    action: str,
    *,
    owner_id: int | None,
    record_id: int | None = None,
    detail: str = "",
) -> object:
    """Note a write, in the transaction that makes it; await it on an asynchronous connection.

    Args:
        connection: of the role in the owner's transaction, or our own.
        who: None: an operator at the shell.
        action: what and how, such as `record.delete` or `token.create`.
        owner_id: whose it is; None: no single owner's.
        record_id: if it is a record's.
        detail: ids of what else it concerns, such as `user 3`; never content, names or addresses.
    """
    user_id, token_id = (who.user_id, who.token_id) if who else (None, None)
    return connection.execute(_INSERT, (owner_id, user_id, token_id, action, record_id, detail))


_INSERT: LiteralString = (
    "INSERT INTO audit_log (owner_id, user_id, token_id, action, record_id, detail)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
)


def writes(
    connection: Connection,
    *,
    owner_id: int | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[Write]:
    """The newest entries of an owner, or of all; older than the entry `before_id`."""
    with connection.cursor(row_factory=class_row(Write)) as cursor:
        return cursor.execute(
            """
            SELECT a.id, a.at, o.slug AS owner, a.user_id, u.name AS user, a.token_id,
                   t.name AS token, a.action, a.record_id, a.detail
            FROM audit_log a LEFT JOIN owners o ON o.id = a.owner_id
            LEFT JOIN users u ON u.id = a.user_id LEFT JOIN tokens t ON t.id = a.token_id
            WHERE (%(owner)s::bigint IS NULL OR a.owner_id = %(owner)s)
              AND (%(before)s::bigint IS NULL OR a.id < %(before)s)
            ORDER BY a.id DESC LIMIT %(limit)s
            """,
            {"owner": owner_id, "before": before_id, "limit": limit},
        ).fetchall()
