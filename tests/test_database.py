"""The schema comes from numbered migrations, from whatever version, once, by whoever is first."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from pgvector import HalfVector
from psycopg.sql import SQL, Identifier

from keepsake import database
from keepsake.database import (
    DatabaseError,
    Migration,
    connect,
    migrate,
    migrations,
    open_pool,
    pending,
)
from keepsake.pipeline.line import Made
from keepsake.steps.rows import replace_rows

NEWEST = len(migrations())
WITH_OWNERS = 21  # the version from which on every row has an owner


@pytest.fixture
def empty_url(postgres_url: str) -> Iterator[str]:
    """URL of a database in which nothing is."""
    name = f"empty_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def numbers(applied: list[Migration]) -> list[int]:
    return [migration.number for migration in applied]


def schema(url: str) -> set[tuple[Any, ...]]:
    """Every column, index and constraint."""
    with connect(url) as connection:
        return set(
            connection.execute(
                "SELECT table_name, column_name, data_type || is_nullable || coalesce("
                "   column_default, '') FROM information_schema.columns"
                "   WHERE table_schema = 'keepsake'"
                " UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes"
                "   WHERE schemaname = 'keepsake'"
                " UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
                "   FROM pg_constraint WHERE connamespace = 'keepsake'::regnamespace"
            ).fetchall()
        )


def test_an_empty_database_gets_every_migration_once(empty_url: str) -> None:
    assert numbers(migrate(empty_url)) == list(range(1, NEWEST + 1))
    assert migrate(empty_url) == []


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_data_of_every_earlier_version_comes_along(
    empty_url: str, database_url: str, version: int
) -> None:
    assert numbers(migrate(empty_url, to=version)) == list(range(1, version + 1))
    with connect(empty_url) as connection:
        connection.execute("INSERT INTO owners (slug, name) VALUES ('ada', 'Ada')")
        connection.execute(
            "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
            " VALUES ('family', 1, 'a', now(), 'hash')"
        )
        connection.execute(
            "INSERT INTO ledger (record_id, step, line, status, owner_id)"
            " VALUES (1, 'transcripts', 'family', 'succeeded', 1)"
            if version >= WITH_OWNERS
            else "INSERT INTO ledger (record_id, step, line, status)"
            " VALUES (1, 'transcripts', 'family', 'succeeded')"
        )
    assert numbers(migrate(empty_url)) == list(range(version + 1, NEWEST + 1))
    assert schema(empty_url) == schema(database_url)
    with connect(empty_url) as connection:
        assert connection.execute("SELECT status FROM record_status").fetchall() == [("COMPLETED",)]


def test_two_processes_at_once_apply_each_migration_once(empty_url: str) -> None:
    program = "import sys; from keepsake.database import migrate; print(len(migrate(sys.argv[1])))"
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", program, empty_url], stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(2)
        ]
        applied = [int(process.communicate()[0]) for process in processes]
    assert sorted(applied) == [0, NEWEST]


def test_a_migration_that_fails_leaves_nothing_of_itself(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Migration(NEWEST + 1, "bad", "CREATE TABLE half (); SELECT 1 / 0")
    known = [*migrations(), bad]
    monkeypatch.setattr(database, "migrations", lambda: known)
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_url)
    with connect(empty_url) as connection:
        assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)
        assert numbers(pending(connection)) == [NEWEST + 1]


def test_a_migration_that_was_edited_after_it_was_applied_is_refused(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations()
    known[0] = Migration(1, known[0].name, known[0].sql + "-- a thought")
    monkeypatch.setattr(database, "migrations", lambda: known)
    with pytest.raises(DatabaseError, match="migration 1 was edited"):
        migrate(database_url)


def test_a_database_of_a_newer_keepsake_is_refused(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations()[:-1]
    monkeypatch.setattr(database, "migrations", lambda: known)
    with pytest.raises(DatabaseError, match="install the newer version"):
        migrate(database_url)


def test_what_is_pending_can_be_asked_without_touching_anything(empty_url: str) -> None:
    with connect(empty_url) as connection:
        assert numbers(pending(connection)) == list(range(1, NEWEST + 1))
        assert numbers(pending(connection, to=1)) == [1]
        row = connection.execute("SELECT to_regnamespace('keepsake')").fetchone()
    assert row == (None,)


def test_migrations_are_numbered_without_gaps(tmp_path: Path) -> None:
    for name in ("0001_first.sql", "0003_third.sql"):
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(DatabaseError, match=r"numbered \[1, 3\]"):
        migrations(tmp_path)


@pytest.mark.parametrize(
    ("extensions", "problem"),
    [
        (
            "'vector', '0.8.1', '0.8.4'",
            "pgvector 0.8.1 can corrupt its indexes: upgrade it to 0.8.4",
        ),
        ("'vector', NULL, '0.8.3'", "pgvector 0.8.3 can corrupt"),
        (
            "'plpgsql', '1.0', '1.0'",
            "has no pgvector: install the extension, version 0.8.4 or newer",
        ),
        ("'vector', NULL, '0.8.4'", None),
        ("'vector', '0.10.0', '0.10.0'", None),
    ],
)
def test_pgvector_must_be_there_and_new_enough(
    database_url: str, extensions: str, problem: str | None
) -> None:
    with connect(database_url) as connection:
        connection.execute("CREATE SCHEMA other")
        connection.execute(
            "CREATE VIEW other.pg_available_extensions (name, installed_version, default_version)"
            f" AS SELECT {extensions}"
        )
        connection.execute("SET search_path = other, pg_catalog")
        with pytest.raises(DatabaseError, match=problem) if problem else nullcontext():
            database.require_pgvector(connection)


def test_connections_see_keepsakes_schema_in_utc_and_keep_the_urls_options(
    database_url: str,
) -> None:
    with connect(f"{database_url}&options=-c%20work_mem%3D7MB") as connection:
        shown = [
            connection.execute(f"SHOW {name}").fetchone()
            for name in ("search_path", "timezone", "work_mem")
        ]
    assert shown == [("keepsake,public,pg_temp",), ("UTC",), ("7MB",)]


async def test_a_pool_hands_out_no_connection_that_a_restart_broke(database_url: str) -> None:
    async with open_pool(database_url, size=1) as pool:
        with connect(database_url) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        async with pool.connection() as connection:
            cursor = await connection.execute("SELECT 1")
            assert await cursor.fetchone() == (1,)


async def test_rows_are_replaced_as_a_whole(database_url: str) -> None:
    async with open_pool(database_url, size=1) as pool, pool.connection() as connection:
        await connection.execute(
            "CREATE TABLE lines (record_id bigint, owner_id bigint, position int, text text)"
        )
        for texts in (["one", "two", "three"], ["tab\there", None]):
            made = [Made(1, 7, texts), Made(2, 8, [])]
            await replace_rows(connection, "lines", made, ("position", "text"), enumerate)
        cursor = await connection.execute("SELECT * FROM lines ORDER BY position")
        assert await cursor.fetchall() == [(1, 7, 0, "tab\there"), (1, 7, 1, None)]


async def test_rows_with_vectors_are_replaced_too(database_url: str) -> None:
    async with open_pool(database_url, size=1) as pool, pool.connection() as connection:
        await connection.execute(
            "CREATE TABLE near (record_id bigint, owner_id bigint, at real, v halfvec(2))"
        )
        rows = [(None, HalfVector([0.5, -2.0])), (1.5, HalfVector([0.0, 3.0]))]
        await replace_rows(
            connection, "near", [Made(1, 1, rows)], ("at", "v"), list, types=("float4", "halfvec")
        )
        cursor = await connection.execute("SELECT at, v FROM near ORDER BY at DESC")
        assert await cursor.fetchall() == rows


async def test_a_pool_opens_where_pgvector_is_not_created_yet(empty_url: str) -> None:
    with connect(empty_url) as connection:
        connection.execute("DROP EXTENSION vector")
    async with open_pool(empty_url, size=1) as pool, pool.connection() as other:
        cursor = await other.execute("SELECT to_regtype('vector')")
        assert await cursor.fetchone() == (None,)
