"""Which rows a role may see: a policy on every table that has an owner, and the role it is for.

Two roles work on the database. The one that connects owns the tables, and no policy applies to it:
the pipeline, migrations and the command line see all owners. `keepsake_api` owns nothing and
bypasses nothing: within `owner_transaction` (`keepsake/database.py`) it reads and changes the rows
of one owner and reads what all share.

Privileges and policies are applied from the catalogue after migrations: a new table needs no more
than its `owner_id`, and a table without one is closed to the role unless `SHARED` has it.
"""

from typing import Any, LiteralString

import psycopg
from psycopg import errors
from psycopg.sql import SQL, Composable, Identifier

from keepsake.errors import KeepsakeError

API_ROLE = "keepsake_api"

# Tables whose rows belong to no owner; the role reads them.
SHARED = {
    "migrations": "the state of the schema",
    "steps": "what the lines have to make",
    "tiers": "what any owner may have",
    "tier_limits": "what any owner may have",
}

# Tables that the role does not even read: they would tell one owner what another one keeps.
CLOSED = {
    "received_webhooks": "of the installation, not of an owner",
    "hosts": "which sites were asked when: the pace of fetching holds over all owners",
    "metric_snapshots": "of the installation, not of an owner",
    "metric_totals": "of the installation, not of an owner",
    "probes": "of the installation, not of an owner",
    "rate_limits": "who asks how much, over all owners",
    "sessions": "a person's, who may belong to several owners",
    "sign_in_requests": "who tries to sign in, as which person",
}

# NULL outside an owner's transaction, and where the owner is none: then no row matches. After a
# transaction that set it, the setting reads '' and not NULL.
_OWNER: LiteralString = "nullif(current_setting('keepsake.owner_id', true), '')::bigint"
_POLICIES: dict[str, LiteralString] = {
    "owners": f"id = {_OWNER}",
    # A person may belong to several owners, so a user has none: seen are an owner's members.
    "users": f"id IN (SELECT user_id FROM memberships WHERE owner_id = {_OWNER})",  # noqa: S608
}
_PRIVILEGES: dict[str, LiteralString] = {
    "owners": "SELECT, UPDATE (name, time_zone)",  # a tier or a budget is not the owner's to set
    "spending": "SELECT",
    "owner_metrics": "SELECT",  # counted by who does the work
    "alerts": "SELECT",  # which come and go by themselves
    "alert_log": "SELECT, INSERT",  # what was written stays
    "memberships": "SELECT",  # who adds a user to its members sees the user's name and address
    "users": "SELECT",
    "audit_log": "SELECT, INSERT",  # what was written stays
    "job_log": "SELECT",  # written by the processes that run jobs
    # Written, and never read back: whoever shows it to somebody has just made it.
    "webhook_secrets": "SELECT (id, owner_id, endpoint_id, created_at, signs_until), INSERT,"
    " UPDATE, DELETE",
    "tokens": "SELECT",  # made where it is known who asks (`keepsake/accounts/`)
}
_TRIES = 5


class RoleError(KeepsakeError):
    """The roles of the database are not as they must be. The message says what to execute."""


def keep_owners_apart(connection: psycopg.Connection[Any], *, role: str = API_ROLE) -> None:
    """Create the role, and apply policies and privileges to all tables and views as they are now.

    Safe to repeat. Roles belong to the server, not to the database: another database on it may
    create the same one at this moment.

    Raises:
        RoleError: we may not create or use the role, or it would bypass policies.
    """
    _ensure_role(connection, role)
    with connection.transaction():
        for table in _tables_without_policy(connection):
            _add_policy(connection, table)
        for view in _views_without_invoker(connection):
            connection.execute(
                SQL("ALTER VIEW {} SET (security_invoker = true)").format(Identifier(view))
            )
        _grant(connection, Identifier(role))


def _ensure_role(connection: psycopg.Connection[Any], role: str) -> None:
    for _ in range(_TRIES):
        try:
            if not _exists(connection, role):
                connection.execute(SQL("CREATE ROLE {} NOLOGIN").format(Identifier(role)))
            if not _usable(connection, role):
                connection.execute(SQL("GRANT {} TO CURRENT_USER").format(Identifier(role)))
            return
        except errors.InsufficientPrivilege:
            raise RoleError(
                f"this database user may not create or use the role {role}, which keeps owners "
                f"apart. Have an administrator of the server execute: CREATE ROLE {role} NOLOGIN; "
                f'GRANT {role} TO "{connection.info.user}"; where the role exists, the second alone'
            ) from None
        except (errors.DuplicateObject, errors.UniqueViolation, errors.InternalError_):
            continue  # another database's migrations did the same at this moment
    raise RoleError(f"the role {role} is changed by others all the time: try again")


def _exists(connection: psycopg.Connection[Any], role: str) -> bool:
    """Whether the role exists.

    Raises:
        RoleError: it exists and bypasses policies.
    """
    row = connection.execute(
        "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = %s", (role,)
    ).fetchone()
    if row == (True,):
        raise RoleError(
            f"the role {role} bypasses row-level security, so it would see all owners. Have an "
            f"administrator of the server execute: ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS"
        )
    return row is not None


def _usable(connection: psycopg.Connection[Any], role: str) -> bool:
    """Whether we may SET ROLE to it."""
    privilege = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    row = connection.execute("SELECT pg_has_role(%s, %s)", (role, privilege)).fetchone()
    return row == (True,)


def _tables_without_policy(connection: psycopg.Connection[Any]) -> list[str]:
    rows = connection.execute(
        """
        SELECT relname FROM pg_class c
        WHERE relnamespace = 'keepsake'::regnamespace AND relkind IN ('r', 'p')
          AND (relname = ANY(%s) OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
                                            AND attname = 'owner_id' AND NOT attisdropped))
          AND NOT (relrowsecurity AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid))
        """,
        (list(_POLICIES),),
    ).fetchall()
    return [table for (table,) in rows]


def _add_policy(connection: psycopg.Connection[Any], table: str) -> None:
    name, condition = Identifier(table), SQL(_POLICIES.get(table, f"owner_id = {_OWNER}"))
    connection.execute(SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(name))
    connection.execute(SQL("CREATE POLICY of_owner ON {} USING ({})").format(name, condition))


def _views_without_invoker(connection: psycopg.Connection[Any]) -> list[str]:
    """Views that would be read with the rights of their owner, to whom no policy applies."""
    rows = connection.execute(
        "SELECT relname FROM pg_class"
        " WHERE relnamespace = 'keepsake'::regnamespace AND relkind = 'v'"
        " AND NOT coalesce(reloptions @> ARRAY['security_invoker=true'], false)"
    ).fetchall()
    return [view for (view,) in rows]


def _grant(connection: psycopg.Connection[Any], role: Composable) -> None:
    connection.execute(
        SQL(
            "REVOKE ALL ON ALL TABLES IN SCHEMA keepsake FROM {role};"
            " GRANT USAGE ON SCHEMA keepsake TO {role}"
        ).format(role=role)
    )
    tables = connection.execute(
        "SELECT relname, relkind = 'v', relrowsecurity FROM pg_class"
        " WHERE relnamespace = 'keepsake'::regnamespace AND relkind IN ('r', 'p', 'v')"
    ).fetchall()
    for table, is_view, has_policy in tables:
        if is_view or table in SHARED:
            privileges: LiteralString = "SELECT"
        elif has_policy:
            privileges = _PRIVILEGES.get(table, "SELECT, INSERT, UPDATE, DELETE")
        else:
            continue
        connection.execute(
            SQL("GRANT {} ON {} TO {}").format(SQL(privileges), Identifier(table), role)
        )
