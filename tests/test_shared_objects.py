"""An object that several owners have, since its key is its content, stays until none has it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepsake.clients.objects import FolderStore
from keepsake.database import Connection, as_owner, connect
from keepsake.owners.owners import add_owner
from keepsake.pipeline.ledger.claims import RECORD_LOCKS
from keepsake.records.deletion import Swept, delete_record, sweep
from tests.given import given_record

KEY = "media/film.mp4"


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    """A database in which records 1 and 2, of the owners 1 and 2, have the same film."""
    with connect(database_url) as connection:
        for name in ("Ada", "Ben"):
            owner_id = add_owner(connection, name).id
            record = given_record(connection, line="bookmarks", owner_id=owner_id, external_id="a")
            connection.execute(
                "INSERT INTO media (record_id, owner_id, position, kind, object_key, name,"
                " content_type, size_bytes, sha256) VALUES (%s, %s, 0, 'video', %s, 'film',"
                " 'video/mp4', 1, '')",
                (record.record_id, owner_id, KEY),
            )
        yield connection


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """An object store with the film."""
    objects = FolderStore(tmp_path / "objects")
    asyncio.run(objects.put_bytes(KEY, b"film"))
    return objects


def delete_as(db: Connection, owner_id: int) -> None:
    """Delete an owner's record of the same number, as a request of that owner would."""
    with as_owner(db, owner_id):
        delete_record(db, owner_id, owner_id)


def test_it_stays_for_the_other_owner_when_one_deletes_it(
    db: Connection, store: FolderStore
) -> None:
    delete_as(db, 1)
    assert asyncio.run(sweep(db, store)) == Swept(0, 0, None)
    assert asyncio.run(store.exists(KEY))


def test_it_goes_when_both_have_deleted_it(db: Connection, store: FolderStore) -> None:
    delete_as(db, 1)
    delete_as(db, 2)
    assert asyncio.run(sweep(db, store)) == Swept(1, 0, None)
    assert not asyncio.run(store.exists(KEY))
    assert db.execute("SELECT FROM loose_objects").fetchall() == []


def test_it_stays_while_a_run_has_a_record_of_either(
    db: Connection, store: FolderStore, database_url: str
) -> None:
    delete_as(db, 1)
    delete_as(db, 2)
    with connect(database_url) as run:
        run.execute("SELECT pg_advisory_lock(%s)", (RECORD_LOCKS + 2,))
        assert asyncio.run(sweep(db, store)) == Swept(0, 1, None)
    assert asyncio.run(store.exists(KEY))


def test_it_stays_while_the_other_owner_stores_it_again(db: Connection, store: FolderStore) -> None:
    delete_as(db, 1)
    delete_as(db, 2)
    db.execute("UPDATE loose_objects SET not_before = now() + '1 hour' WHERE owner_id = 2")
    assert asyncio.run(sweep(db, store)).deleted == 0
    assert asyncio.run(store.exists(KEY))
