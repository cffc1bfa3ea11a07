"""A verification finds what is damaged, and leaves no database behind."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from keepsake.backup.contents import Entry, Progress, hash_file, read_index, write_index
from keepsake.backup.folder import INDEX, BackupError, Folder
from keepsake.backup.verification import verify
from keepsake.database import connect
from keepsake.errors import InvalidInput
from tests.backup.conftest import Kept
from tests.databases import database_at


def scratch_databases(kept: Kept) -> list[str]:
    with connect(kept.url) as db:
        found = db.execute("SELECT datname FROM pg_database WHERE datname ~ '^keepsake_scratch'")
        return [name for (name,) in found]


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_good_backup_is_restored_searched_and_noted(kept: Kept) -> None:
    made = kept.back_up()
    backup, verified = asyncio.run(verify(kept.settings, kept.root))
    assert (backup.name, verified.problems, verified.searched) == (made.name, [], True)
    assert verified.rows == sum(len(rows) for rows in kept.rows().values())
    (found,), _ = Folder(kept.root).all()
    assert found.verified == verified
    assert scratch_databases(kept) == []


@pytest.mark.parametrize("name", ["database.dump", "objects.jsonl.gz"])
def test_a_flipped_bit_in_a_file_is_found(kept: Kept, name: str) -> None:
    flip_a_bit(kept.back_up().path / name)
    assert kept.problems() == [f"{name} is damaged"]


def test_a_flipped_bit_in_an_object_is_found_and_healed_by_the_next(kept: Kept) -> None:
    made = kept.back_up()
    entry = next(read_index(made.path / INDEX))
    assert entry.sha256
    flip_a_bit(Folder(kept.root).content(entry.sha256))
    assert kept.problems() == [f"the object {entry.key} is damaged"]
    assert kept.back_up().manifest.added_bytes == entry.size
    assert kept.problems(made.name) == []


def test_an_object_that_is_gone_is_found(kept: Kept) -> None:
    entry = next(read_index(kept.back_up().path / INDEX))
    assert entry.sha256
    Folder(kept.root).content(entry.sha256).unlink()
    assert kept.problems() == [f"the object {entry.key} cannot be read: No such file or directory"]


def rewritten(kept: Kept, **changes: object) -> None:
    """Change the manifest of the one backup, as if it had been made so."""
    (made,), _ = Folder(kept.root).all()
    new = made.manifest.model_copy(update=changes)
    (made.path / "manifest.json").write_text(new.model_dump_json())


def test_rows_that_do_not_come_back_are_found(kept: Kept) -> None:
    rows = kept.back_up().manifest.rows
    rewritten(kept, rows=rows | {"records": rows["records"] + 1, "lost_table": 3})
    assert kept.problems() == [
        "the table lost_table has 0 rows, not 3",
        f"the table records has {rows['records']} rows, not {rows['records'] + 1}",
    ]


def test_an_object_that_only_the_database_names_is_found(kept: Kept) -> None:
    made = kept.back_up()
    first, *others = read_index(made.path / INDEX)
    with write_index(made.path / INDEX) as write:
        for entry in others:
            write(entry)
    files = made.manifest.files | {INDEX: hash_file(made.path / INDEX)}
    rewritten(kept, files=files)
    assert kept.problems() == [f"the database names {first.key}, which is not in the backup"]


async def test_a_cancelled_one_drops_its_database(kept: Kept) -> None:
    await asyncio.to_thread(kept.back_up)
    restoring = asyncio.Event()

    def note(progress: Progress) -> None:
        if progress.what.startswith("restoring"):
            restoring.set()

    verifying = asyncio.create_task(verify(kept.settings, kept.root, report=note))
    await restoring.wait()
    verifying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await verifying
    assert scratch_databases(kept) == []


def test_what_a_killed_one_left_is_dropped_by_the_next(kept: Kept) -> None:
    kept.back_up()
    kept.execute("CREATE DATABASE keepsake_scratch_1700000000_0123abcd")
    assert kept.problems() == []
    assert scratch_databases(kept) == []


def test_a_user_who_may_not_create_databases_is_told(kept: Kept, postgres_url: str) -> None:
    kept.back_up()
    with psycopg.connect(kept.url, autocommit=True) as db:
        db.execute("DROP ROLE IF EXISTS modest")
        db.execute("CREATE ROLE modest LOGIN")
        try:
            modest = database_at(postgres_url, "one_demo").replace("keepsake@", "modest@")
            with pytest.raises(BackupError, match='ALTER ROLE "modest" CREATEDB'):
                asyncio.run(
                    verify(kept.settings.model_copy(update={"database_url": modest}), kept.root)
                )
        finally:
            db.execute("DROP ROLE modest")


def test_there_must_be_one(kept: Kept) -> None:
    with pytest.raises(InvalidInput, match=r"no backup in .*: `keepsake backup create` makes one"):
        kept.problems()
    with pytest.raises(InvalidInput, match=r"no backup '\.\./home' in"):
        kept.problems("../home")


def test_entries_are_written_as_they_are_read(tmp_path: Path) -> None:
    entries = [Entry("a b/c", 1, None, ""), Entry("é\u2028", 2, "ab" * 32, "tag")]
    with write_index(tmp_path / INDEX) as write:
        for entry in entries:
            write(entry)
    assert list(read_index(tmp_path / INDEX)) == entries
