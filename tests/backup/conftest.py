"""A Keepsake with what the demo made, its objects in a folder, and a place for backups.

The rows are those of `tests/upgrades/schema_14.sql.gz`, migrated. Objects have made-up contents.
"""

import asyncio
import gzip
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from keepsake.backup.contents import NOT_KEPT
from keepsake.backup.creation import create
from keepsake.backup.folder import Backup
from keepsake.backup.restoring import Restored, restore
from keepsake.backup.verification import verify
from keepsake.clients.objects import open_objects
from keepsake.database import connect, migrate
from keepsake.embedded.postgres import binaries
from keepsake.records.deletion import ALL_KEYS
from keepsake.settings import Settings
from tests.databases import database_at
from tests.upgrades.test_upgrade import DUMP

_TEMPLATE = "the_demo"
# What people and programs did since: a session, a message that waits, an upload under way.
_SINCE = """
    INSERT INTO users (email, name) VALUES ('rose@example.org', 'Rose');
    INSERT INTO sessions (user_id, hash, device) SELECT id, sha256('rose'), 'phone' FROM users;
    INSERT INTO outbox (owner_id, kind, idempotency_key, title, body)
    VALUES (1, 'import', 'import/99', 'Done', 'All of it');
    INSERT INTO resumable_uploads (id, owner_id, length, about, expires_at)
    VALUES (gen_random_uuid(), 1, 10, '{}', now() + interval '1 day');
"""


@dataclass(frozen=True)
class Kept:
    """A Keepsake, and the folder of its backups."""

    settings: Settings
    root: Path

    @property
    def url(self) -> str:
        return self.settings.database_url

    def back_up(self) -> Backup:
        return asyncio.run(create(self.settings, self.root))

    def problems(self, name: str | None = None) -> list[str]:
        """What a verification finds."""
        return asyncio.run(verify(self.settings, self.root, name))[1].problems

    def restore_to(self, settings: Settings, **how: Any) -> Restored:
        return asyncio.run(restore(settings, self.root, **how))

    def execute(self, statement: str, *values: Any) -> None:
        with connect(self.url) as db:
            db.execute(statement.encode(), values)

    def keys(self) -> list[str]:
        """The objects that rows name."""
        with connect(self.url) as db:
            return [key for (key,) in db.execute(ALL_KEYS.encode())]

    def rows(self) -> dict[str, list[Any]]:
        return rows_of(self.url)

    def objects(self) -> dict[str, bytes]:
        """Contents in the store, by key, of all that rows name."""
        store = open_objects(self.settings)
        return {key: asyncio.run(store.get_bytes(key)) for key in self.keys()}

    def put(self, key: str, content: bytes) -> None:
        asyncio.run(open_objects(self.settings).put_bytes(key, content))

    def stored(self) -> list[str]:
        """The contents in the folder of backups, by hash."""
        return sorted(path.name for path in self.root.glob("objects/*/*"))

    def to(self, url: str, home: Path) -> "Kept":
        """The same backups for another Keepsake, whose data folder is empty."""
        home.mkdir(exist_ok=True)
        changed = {"database_url": url, "keepsake_home": home}
        return replace(self, settings=self.settings.model_copy(update=changed))


def rows_of(url: str) -> dict[str, list[Any]]:
    """Every row that a backup keeps, by table, in an order of their own."""
    with connect(url) as db:
        tables = [
            table
            for (table,) in db.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'keepsake' ORDER BY 1"
            )
            if table not in NOT_KEPT
        ]
        return {
            table: db.execute(
                SQL("SELECT t.* FROM {} AS t ORDER BY t::text").format(Identifier(table))
            ).fetchall()
            for table in tables
        }


@pytest.fixture(scope="session")
def _demo(postgres_url: str) -> Iterator[str]:
    """The name of a database with what the demo made."""
    url = database_at(postgres_url, _TEMPLATE)
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(SQL("CREATE DATABASE {}").format(Identifier(_TEMPLATE)))
        subprocess.run(
            [binaries() / "psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", url],
            input=gzip.decompress(DUMP.read_bytes()),
            check=True,
            capture_output=True,
        )
        migrate(url)
        with connect(url) as db:
            db.execute(_SINCE)
        yield _TEMPLATE
        server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(_TEMPLATE)))


@pytest.fixture
def kept(postgres_url: str, _demo: str, tmp_path: Path) -> Iterator[Kept]:
    """A Keepsake with a copy of the demo's rows and an object for each key."""
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("DROP DATABASE IF EXISTS one_demo WITH (FORCE)")
        server.execute(SQL("CREATE DATABASE one_demo TEMPLATE {}").format(Identifier(_demo)))
        home = tmp_path / "home"
        home.mkdir()
        settings = Settings.model_validate(
            {"database_url": database_at(postgres_url, "one_demo"), "keepsake_home": home}
        )
        given = Kept(settings, tmp_path / "backups")
        for number, key in enumerate(given.keys()):
            given.put(key, f"{key} holds this".encode() * (number + 1))
        yield given
        server.execute("DROP DATABASE one_demo WITH (FORCE)")
