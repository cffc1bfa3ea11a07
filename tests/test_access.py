"""Owners are kept apart by the database itself, in every table that has one."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Composed, Identifier

from keepsake.access import API_ROLE, CLOSED, SHARED, RoleError, keep_owners_apart
from keepsake.database import (
    AsyncConnection,
    Connection,
    Pool,
    connect,
    migrate,
    open_pool,
    owner_transaction,
)

# Tables that keep owners apart by another column than `owner_id`.
BY_ANOTHER_COLUMN = {"owners": "id", "users": "id"}
# Tables with rows of no owner as well, and whose those are.
OF_NO_OWNER_TOO = {
    "tokens": "admins",
    "audit_log": "what concerns no single owner",
    "idempotency_keys": "what operators ask for",
    "jobs": "the system's",
    "outbox": "to the operators",
    "job_schedules": "the system's",
    "job_attempts": "the system's",
    "job_log": "the system's",
    "alert_rules": "the system's",
    "alerts": "the system's",
    "alert_log": "the system's",
}
# A role may not write what other tables of its owner rest on.
NOT_WRITTEN = {
    "owners", "spending", "memberships", "users", "tokens", "audit_log", "job_log", "owner_metrics",
    "alerts", "alert_log",
}  # fmt: skip
VALUES = {  # by type; %(owner)s tells the owners' rows apart
    "bigint": "%(owner)s", "integer": "%(owner)s", "smallint": "%(owner)s", "numeric": "%(owner)s",
    "real": "%(owner)s", "double precision": "%(owner)s", "boolean": "false",
    "text": "%(owner)s", "timestamp with time zone": "now()", "date": "current_date",
    "jsonb": "'{}'", "ARRAY": "'{}'", "bytea": "sha256(%(owner)s::text::bytea)",
    "USER-DEFINED": "'[1]'", "uuid": "gen_random_uuid()",
}  # fmt: skip


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    """A database with a row of each of two owners, 1 and 2, in every table that has owners."""
    with connect(database_url) as connection:
        # Rows are made up by the types of columns: what a table holds does not matter here.
        for table, name in connection.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint"
            " WHERE connamespace = 'keepsake'::regnamespace AND contype IN ('c', 'f')"
        ).fetchall():
            connection.execute(
                SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}").format(
                    Identifier(table), Identifier(name)
                )
            )
        for table in owned_tables(connection):
            # Those that tell of a row add others.
            connection.execute(SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(Identifier(table)))
            for owner in (1, 2):
                connection.execute(insertion(connection, table, owner))
        yield connection


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool of one connection, so that each user of it has what the last one left."""
    async with open_pool(database_url, size=1) as opened:
        yield opened


def owned_tables(db: Connection) -> list[str]:
    """The tables whose rows belong to owners."""
    rows = db.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'keepsake'::regnamespace"
        " AND relkind IN ('r', 'p') AND relname <> ALL(%s) ORDER BY 1",
        ([*SHARED, *CLOSED],),
    ).fetchall()
    return [table for (table,) in rows]


def insertion(db: Connection, table: str, owner: int) -> Composed:
    """A statement that adds a row of an owner."""
    columns = db.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'keepsake' AND table_name = %s"
        " AND (is_nullable = 'NO' OR column_name = 'owner_id')"
        " AND column_default IS NULL AND is_identity = 'NO' AND is_generated = 'NEVER'",
        (table,),
    ).fetchall()
    return SQL("INSERT INTO {} ({}) VALUES ({})").format(
        Identifier(table),
        SQL(", ").join(Identifier(name) for name, _ in columns),
        SQL(", ").join(SQL(VALUES[kind].replace("%(owner)s", str(owner))) for _, kind in columns),
    )


def owner_column(table: str) -> Identifier:
    return Identifier(BY_ANOTHER_COLUMN.get(table, "owner_id"))


async def owners_seen(connection: AsyncConnection, table: str) -> list[int]:
    cursor = await connection.execute(
        SQL("SELECT {} FROM {} ORDER BY 1").format(owner_column(table), Identifier(table))
    )
    return [owner async for (owner,) in cursor]


# -- the schema ---------------------------------------------------------------------------------


def test_every_table_has_owners_kept_apart_or_is_shared_for_a_reason(database_url: str) -> None:
    with connect(database_url) as db:
        found = db.execute(
            "SELECT relname, relrowsecurity, EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid),"
            " EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'owner_id'"
            "         AND attnotnull)"
            " FROM pg_class c"
            " WHERE relnamespace = 'keepsake'::regnamespace AND relkind IN ('r', 'p')"
        ).fetchall()
    for table, enabled, has_policy, has_owner in found:
        if reason := {**SHARED, **CLOSED}.get(table):
            assert not has_owner, table
            assert len(reason) > 10, f"{table} has no owner, and no reason for that"
        else:
            assert (enabled, has_policy) == (True, True), table
            assert has_owner or table in BY_ANOTHER_COLUMN | OF_NO_OWNER_TOO, table
    assert SHARED.keys() | CLOSED.keys() <= {table for table, *_ in found}


def test_every_view_is_read_with_the_rights_of_who_reads_it(database_url: str) -> None:
    with connect(database_url) as db:
        views = db.execute(
            "SELECT relname, reloptions FROM pg_class"
            " WHERE relnamespace = 'keepsake'::regnamespace AND relkind IN ('v', 'm')"
        ).fetchall()
    assert views
    for view, options in views:
        assert "security_invoker=true" in (options or []), view


def test_rows_of_a_record_have_its_owner(database_url: str) -> None:
    with connect(database_url) as db:
        db.execute("INSERT INTO owners (slug, name) VALUES ('ada', 'Ada'), ('ben', 'Ben')")
        db.execute(
            "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
            " VALUES ('family', 1, 'a', now(), '')"
        )
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            db.execute("INSERT INTO stories VALUES (1, '', '', '', 2)")


# -- the transaction of an owner ----------------------------------------------------------------


async def test_an_owner_sees_no_row_of_another(db: Connection, pool: Pool) -> None:
    for table in owned_tables(db):
        async with owner_transaction(pool, 1) as connection:
            assert await owners_seen(connection, table) == [1], table
        async with pool.connection() as connection:
            assert await owners_seen(connection, table) == [1, 2], table


async def test_an_owner_changes_no_row_of_another(db: Connection, pool: Pool) -> None:
    for table in set(owned_tables(db)) - NOT_WRITTEN:
        column, name = owner_column(table), Identifier(table)
        async with owner_transaction(pool, 1) as connection:
            for statement, theirs, own in (
                (SQL("UPDATE {} SET {column} = {column} WHERE {column} = %s"), 0, 1),
                (SQL("DELETE FROM {} WHERE {column} = %s"), 0, 1),
            ):
                query = statement.format(name, column=column)
                assert (await connection.execute(query, (2,))).rowcount == theirs, table
                assert (await connection.execute(query, (1,))).rowcount == own, table
        async with pool.connection() as connection:
            assert await owners_seen(connection, table) == [2], table


async def test_an_owner_adds_rows_of_its_own_only(db: Connection, pool: Pool) -> None:
    for table in set(owned_tables(db)) - NOT_WRITTEN:
        db.execute(SQL("DELETE FROM {}").format(Identifier(table)))
        async with owner_transaction(pool, 1) as connection:
            await connection.execute(insertion(db, table, 1))
        with pytest.raises(InsufficientPrivilege, match="row-level security"):
            async with owner_transaction(pool, 1) as connection:
                await connection.execute(insertion(db, table, 2))


async def test_an_owner_hands_no_row_over_to_another(db: Connection, pool: Pool) -> None:
    for table in set(owned_tables(db)) - NOT_WRITTEN:
        with pytest.raises(InsufficientPrivilege, match="row-level security"):
            async with owner_transaction(pool, 1) as connection:
                await connection.execute(
                    SQL("UPDATE {} SET {} = 2").format(Identifier(table), owner_column(table))
                )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tiers SET monthly_budget = NULL",
        "UPDATE owners SET tier = 'premium'",
        "UPDATE owners SET monthly_budget = 1000",
        "INSERT INTO owners (slug, name) VALUES ('eve', 'Eve')",
        "UPDATE spending SET cost = 0",
        "INSERT INTO users (email, name) VALUES ('eve@example.org', 'Eve')",
        "INSERT INTO memberships (owner_id, user_id, role) VALUES (1, 2, 'viewer')",
        "UPDATE memberships SET role = 'owner'",
        "UPDATE tokens SET scopes = '{manage}'",
        "UPDATE audit_log SET user_id = 2",
        "DELETE FROM audit_log",
        "TRUNCATE records CASCADE",
        "CREATE TABLE mine (id bigint)",
    ],
)
async def test_an_owner_changes_nothing_that_its_limits_rest_on(
    db: Connection, pool: Pool, statement: str
) -> None:
    with pytest.raises(InsufficientPrivilege):
        async with owner_transaction(pool, 1) as connection:
            await connection.execute(statement.encode())


async def test_an_owner_sees_through_a_view_what_it_sees_without(
    db: Connection, pool: Pool
) -> None:
    async with owner_transaction(pool, 2) as connection:
        cursor = await connection.execute("SELECT record_id FROM record_status")
        assert await cursor.fetchall() == [(2,)]


async def test_what_all_share_is_read(db: Connection, pool: Pool) -> None:
    async with owner_transaction(pool, 1) as connection:
        for table in SHARED:
            await connection.execute(SQL("SELECT FROM {}").format(Identifier(table)))


@pytest.mark.parametrize("table", CLOSED)
async def test_what_would_tell_of_others_is_not_read(table: str, pool: Pool) -> None:
    with pytest.raises(InsufficientPrivilege):
        async with owner_transaction(pool, 1) as connection:
            await connection.execute(SQL("SELECT FROM {}").format(Identifier(table)))


async def test_no_owner_sees_nothing(db: Connection, pool: Pool) -> None:
    for table in owned_tables(db):
        async with owner_transaction(pool, None) as connection:
            assert await owners_seen(connection, table) == [], table
        async with pool.connection() as connection, connection.transaction():
            await connection.execute(SQL("SET LOCAL ROLE {}").format(Identifier(API_ROLE)))
            assert await owners_seen(connection, table) == [], table


async def test_a_connection_is_afterwards_as_it_was(db: Connection, pool: Pool) -> None:
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT current_user")
        before = await cursor.fetchone()
    async with owner_transaction(pool, 1) as connection:
        cursor = await connection.execute("SELECT current_user")
        assert await cursor.fetchone() == (API_ROLE,)
    with pytest.raises(ZeroDivisionError):
        async with owner_transaction(pool, 1) as connection:
            raise ZeroDivisionError
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT current_user")
        assert await cursor.fetchone() == before
        cursor = await connection.execute("SELECT current_setting('keepsake.owner_id', true)")
        assert await cursor.fetchone() == ("",)


async def test_a_temporary_table_of_an_owner_hides_no_table(db: Connection, pool: Pool) -> None:
    async with owner_transaction(pool, 1) as connection:
        await connection.execute("CREATE TEMPORARY TABLE owners (id bigint)")
    async with pool.connection() as connection:
        assert await owners_seen(connection, "owners") == [1, 2]


async def test_a_statement_prepared_before_does_not_see_more(db: Connection, pool: Pool) -> None:
    async def seen(connection: AsyncConnection) -> list[tuple[int, ...]]:
        cursor = await connection.execute("SELECT owner_id FROM quotes ORDER BY 1", prepare=True)
        return await cursor.fetchall()

    for _ in range(2):
        async with pool.connection() as connection:
            assert await seen(connection) == [(1,), (2,)]
        for owner in (1, 2):
            async with owner_transaction(pool, owner) as connection:
                assert await seen(connection) == [(owner,)]


async def test_another_table_with_an_owner_is_kept_apart_as_well(
    db: Connection, pool: Pool
) -> None:
    db.execute("CREATE TABLE letters_back (owner_id bigint NOT NULL, letter text)")
    db.execute("INSERT INTO letters_back VALUES (1, 'Dear Ada'), (2, 'Dear Ben')")
    db.execute("CREATE VIEW all_letters_back AS SELECT * FROM letters_back")
    db.execute("CREATE TABLE secrets (secret text)")
    keep_owners_apart(db)
    for table in ("letters_back", "all_letters_back"):
        async with owner_transaction(pool, 1) as connection:
            assert await owners_seen(connection, table) == [1]
    with pytest.raises(InsufficientPrivilege):
        async with owner_transaction(pool, 1) as connection:
            await connection.execute("SELECT FROM secrets")


# -- the role -----------------------------------------------------------------------------------


@pytest.fixture
def managed_url(postgres_url: str) -> Iterator[str]:
    """URL of an empty database on a server where its user owns the database and nothing else."""
    name = f"managed_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(name)))
        server.execute(SQL("CREATE DATABASE {0} OWNER {0}").format(Identifier(name)))
        own = urlsplit(postgres_url)
        with psycopg.connect(own._replace(path=f"/{name}").geturl()) as there:
            there.execute("CREATE EXTENSION IF NOT EXISTS vector")
        yield own._replace(netloc=f"{name}@", path=f"/{name}").geturl()
        server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
        server.execute(SQL("DROP ROLE {}").format(Identifier(name)))


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


async def test_a_user_who_may_use_the_role_need_not_be_a_superuser(
    database_url: str, postgres_url: str, managed_url: str
) -> None:
    execute(postgres_url, f'GRANT {API_ROLE} TO "{urlsplit(managed_url).username}"')
    assert migrate(managed_url)
    async with open_pool(managed_url) as pool:
        async with pool.connection() as connection:
            await connection.execute(
                "INSERT INTO owners (slug, name) VALUES ('ada', 'Ada'), ('ben', 'Ben')"
            )
            assert await owners_seen(connection, "owners") == [1, 2]
        async with owner_transaction(pool, 2) as connection:
            assert await owners_seen(connection, "owners") == [2]


def test_a_user_who_may_create_roles_needs_no_administrator(
    database_url: str, postgres_url: str, managed_url: str
) -> None:
    role = f"api_{uuid4().hex}"
    migrate_as_far_as_we_may(managed_url)
    execute(postgres_url, f'ALTER ROLE "{urlsplit(managed_url).username}" CREATEROLE')
    with connect(managed_url) as connection:
        keep_owners_apart(connection, role=role)
        with connection.transaction():
            connection.execute(SQL("SET LOCAL ROLE {}").format(Identifier(role)))
            assert connection.execute("SELECT FROM records").fetchall() == []
        connection.execute(SQL("DROP OWNED BY {}").format(Identifier(role)))
        connection.execute(SQL("DROP ROLE {}").format(Identifier(role)))


def migrate_as_far_as_we_may(url: str) -> None:
    with pytest.raises(RoleError):
        migrate(url)


@pytest.mark.parametrize("there_is_one", [True, False])
def test_a_user_who_may_not_is_told_what_an_administrator_executes(
    database_url: str, postgres_url: str, managed_url: str, there_is_one: bool
) -> None:
    role = f"api_{uuid4().hex}"
    user = urlsplit(managed_url).username
    if there_is_one:
        execute(postgres_url, f"CREATE ROLE {role} NOLOGIN")
    try:
        with connect(managed_url) as connection, pytest.raises(RoleError) as refused:
            keep_owners_apart(connection, role=role)
        assert f"CREATE ROLE {role} NOLOGIN" in str(refused.value)
        assert f'GRANT {role} TO "{user}"' in str(refused.value)
    finally:
        execute(postgres_url, f"DROP ROLE IF EXISTS {role}")


def test_a_role_that_bypasses_policies_is_refused(database_url: str, postgres_url: str) -> None:
    role = f"api_{uuid4().hex}"
    execute(postgres_url, f"CREATE ROLE {role} BYPASSRLS")
    try:
        with (
            connect(database_url) as connection,
            pytest.raises(RoleError, match="NOSUPERUSER NOBYPASSRLS"),
        ):
            keep_owners_apart(connection, role=role)
    finally:
        execute(postgres_url, f"DROP ROLE {role}")


def test_several_databases_create_the_role_at_once(database_url: str, postgres_url: str) -> None:
    role = f"api_{uuid4().hex}"
    program = (
        "import sys, psycopg; from keepsake.access import keep_owners_apart\n"
        "with psycopg.connect(sys.argv[1], autocommit=True) as connection:\n"
        "    connection.execute('CREATE SCHEMA keepsake')\n"
        "    keep_owners_apart(connection, role=sys.argv[2])"
    )
    names = [f"together_{uuid4().hex}" for _ in range(4)]
    with psycopg.connect(postgres_url, autocommit=True) as server, ExitStack() as stack:
        for name in names:
            server.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", program,
                     urlsplit(postgres_url)._replace(path=f"/{name}").geturl(), role]
                )
            )
            for name in names
        ]  # fmt: skip
        assert [process.wait() for process in processes] == [0] * len(names)
        for name in names:
            server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
        server.execute(SQL("DROP ROLE {}").format(Identifier(role)))
