"""A backup is whole or not there, and copies no content twice."""

import asyncio
import fcntl
from pathlib import Path

import pytest

from keepsake.backup import creation
from keepsake.backup.contents import Progress, read_index
from keepsake.backup.creation import create
from keepsake.backup.folder import INDEX, BackupBusy, BackupError, Folder
from keepsake.backup.programs import find_programs
from keepsake.database import connect
from keepsake.errors import RetryableError
from keepsake.records.deletion import ALL_KEYS
from keepsake.settings import Settings
from tests.backup.conftest import Kept
from tests.stores import new_bucket, s3_settings


def left(root: Path) -> list[str]:
    """What is in the folder of backups, but for the lock."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.name != "lock")


def test_it_says_what_it_holds(kept: Kept) -> None:
    made = kept.back_up()
    keys = sorted(kept.keys())
    entries = list(read_index(made.path / INDEX))
    assert [entry.key for entry in entries] == keys
    assert made.manifest.objects == len(keys)
    assert made.manifest.object_bytes == sum(map(len, kept.objects().values()))
    assert {t: n for t, n in made.manifest.rows.items() if n} == {
        table: len(rows) for table, rows in kept.rows().items() if rows
    }
    assert made.complete
    assert Folder(kept.root).all() == ([made], [])


def test_a_second_one_copies_only_what_is_new(kept: Kept) -> None:
    first = kept.back_up()
    contents = kept.stored()
    key = kept.keys()[0]
    kept.put(key, b"said again")
    second = kept.back_up()
    assert first.manifest.added_bytes == first.manifest.object_bytes
    assert second.manifest.added_bytes == len(b"said again")
    assert len(kept.stored()) == len(contents) + 1
    assert kept.problems(first.name) == kept.problems(second.name) == []


def test_objects_that_no_row_names_are_left_out(kept: Kept) -> None:
    kept.put("media/unnamed.mp4", b"loose")
    assert "media/unnamed.mp4" not in {e.key for e in read_index(kept.back_up().path / INDEX)}


def test_objects_are_read_from_s3(kept: Kept, s3_endpoint: str, database_url: str) -> None:
    bucket = s3_settings(s3_endpoint, new_bucket(s3_endpoint))
    moved = Kept(Settings.model_validate(kept.settings.model_dump() | bucket), kept.root)
    contents = kept.objects()
    for key, content in contents.items():
        moved.put(key, content)
    moved.back_up()
    assert moved.back_up().manifest.added_bytes == 0
    empty = s3_settings(s3_endpoint, new_bucket(s3_endpoint)) | {"database_url": database_url}
    other = Kept(Settings.model_validate(moved.settings.model_dump() | empty), kept.root)
    other.restore_to(other.settings)
    assert other.objects() == contents


def test_an_object_that_is_lost_is_said(kept: Kept) -> None:
    (kept.settings.objects_folder / kept.keys()[0]).unlink()
    made = kept.back_up()
    assert (made.complete, made.manifest.lost) == (False, 1)
    assert kept.problems() == []


def test_an_object_that_is_deleted_meanwhile_is_not_lost(kept: Kept) -> None:
    key = next(each for each in sorted(kept.keys()) if each.startswith("running/"))

    def delete(progress: Progress) -> None:
        if progress.what == "objects" and not progress.done:
            kept.execute("DELETE FROM activity_files WHERE file_key = %s", key)
            kept.execute("DELETE FROM weekly_digests WHERE page_key = %s", key)
            (kept.settings.objects_folder / key).unlink()

    made = asyncio.run(create(kept.settings, kept.root, delete))
    assert [e.key for e in read_index(made.path / INDEX) if e.sha256 is None] == [key]
    assert made.complete
    assert kept.problems() == []


async def test_a_cancelled_one_leaves_nothing(kept: Kept) -> None:
    objects = asyncio.Event()

    def note(progress: Progress) -> None:
        if progress.what == "objects" and progress.done:
            objects.set()

    making = asyncio.create_task(create(kept.settings, kept.root, note))
    await objects.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert left(kept.root) == []


def test_a_failed_one_leaves_nothing(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*args: object) -> None:
        raise RetryableError("the store is away")

    monkeypatch.setattr(creation._Creation, "_fetch", fail)
    with pytest.raises(RetryableError, match="away"):
        kept.back_up()
    assert left(kept.root) == []


def test_what_a_killed_one_left_goes_with_the_next(kept: Kept) -> None:
    (kept.root / ".20260101T000000Z/objects").mkdir(parents=True)
    (kept.root / ".20260101T000000Z/database.dump").write_bytes(b"half")
    assert Folder(kept.root).all() == ([], [])
    kept.back_up()
    assert not list(kept.root.glob(".*"))


def test_two_do_not_work_in_one_folder(kept: Kept) -> None:
    kept.root.mkdir()
    with (kept.root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BackupBusy, match="another process makes, verifies, restores or prunes"):
            kept.back_up()


def test_a_database_of_another_version_is_refused(kept: Kept) -> None:
    kept.execute("DELETE FROM migrations WHERE number = (SELECT max(number) FROM migrations)")
    with pytest.raises(BackupError, match="lacks 1 migrations"):
        kept.back_up()


def test_an_extension_that_a_dump_would_not_have_is_refused(kept: Kept) -> None:
    kept.execute("ALTER EXTENSION vector SET SCHEMA keepsake")
    with pytest.raises(BackupError, match="ALTER EXTENSION vector SET SCHEMA public"):
        kept.back_up()


async def test_older_programs_than_the_server_are_refused() -> None:
    with pytest.raises(BackupError, match=r"PostgreSQL 99 needs .* of version 99 or newer \(found"):
        await find_programs(99)


def test_every_column_that_names_objects_is_backed_up(kept: Kept) -> None:
    others = {
        "interview_prompts.question_key", "jobs.concurrency_key", "outbox.idempotency_key",
        "records.key",
    }  # fmt: skip
    with connect(kept.url) as db:
        columns = db.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " JOIN information_schema.tables USING (table_schema, table_name)"
            " WHERE table_schema = 'keepsake' AND table_type = 'BASE TABLE'"
            " AND column_name ~ '_keys?$'"
        ).fetchall()
    missing = [
        f"{table}.{column}"
        for table, column in columns
        if f"{table}.{column}" not in others
        and not (f"FROM {table}" in ALL_KEYS and column in ALL_KEYS)
    ]
    assert missing == []
