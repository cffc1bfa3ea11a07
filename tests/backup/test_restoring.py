"""What was backed up comes back: every row, every object, nobody signed in."""

from pathlib import Path

import pytest

from keepsake.backup.folder import BackupError
from keepsake.database import as_owner, connect, database_url
from keepsake.errors import InvalidInput
from keepsake.settings import Settings
from tests.backup.conftest import Kept, rows_of


def settled(rows: dict[str, list[object]]) -> dict[str, list[object]]:
    """All rows but messages, which a restore does not send."""
    return {table: some for table, some in rows.items() if table != "outbox"}


def test_all_comes_back_onto_an_empty_folder(kept: Kept, home: Path) -> None:
    kept.back_up()
    empty = Settings.model_validate({"keepsake_home": home})
    restored = kept.restore_to(empty)
    assert settled(rows_of(database_url(empty))) == settled(kept.rows())
    assert restored.lost == []
    there = Kept(empty.model_copy(update={"database_url": database_url(empty)}), kept.root)
    assert there.objects() == kept.objects()
    assert restored.objects == len(there.objects()) > 10


def test_owners_are_kept_apart_and_new_rows_get_new_ids(
    kept: Kept, database_url: str, tmp_path: Path
) -> None:
    kept.back_up()
    kept.restore_to(kept.to(database_url, tmp_path / "new").settings)
    with connect(database_url) as db:
        row = db.execute("SELECT count(*), count(DISTINCT owner_id) FROM records").fetchone()
        assert row is not None
        assert row[1] > 1
        with as_owner(db, 1):
            assert db.execute("SELECT DISTINCT owner_id FROM records").fetchall() == [(1,)]
        added = db.execute(
            "INSERT INTO owners (slug, name) VALUES ('new', 'New')"
            " RETURNING id, (SELECT max(id) FROM owners)"
        ).fetchone()
        assert added is not None
        assert added[0] > added[1]


def test_nobody_is_signed_in_and_no_message_is_sent_twice(
    kept: Kept, database_url: str, tmp_path: Path
) -> None:
    kept.back_up()
    kept.restore_to(kept.to(database_url, tmp_path / "new").settings)
    with connect(database_url) as db:
        assert db.execute("SELECT FROM sessions").fetchall() == []
        assert db.execute("SELECT FROM resumable_uploads").fetchall() == []
        waiting = "SELECT FROM outbox WHERE status IN ('pending', 'sending')"
        assert db.execute(waiting).fetchall() == []
        messages = db.execute("SELECT status FROM outbox WHERE title = 'Done'").fetchall()
        assert messages == [("unknown",)]


def test_what_is_there_is_not_replaced_unasked(kept: Kept) -> None:
    kept.back_up()
    kept.execute("UPDATE owners SET name = 'Since then'")
    with pytest.raises(
        InvalidInput, match=r"not empty: .* remove \d owners, \d+ records, 1 user\b"
    ):
        kept.restore_to(kept.settings)
    kept.restore_to(kept.settings, replace=True)
    with connect(kept.url) as db:
        assert db.execute("SELECT FROM owners WHERE name = 'Since then'").fetchall() == []


def test_a_restore_that_fails_changes_nothing(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.back_up()
    before = kept.rows()
    monkeypatch.setattr("keepsake.backup.restoring._SETTLE_OUTBOX", "SELECT 1 / 0;")
    with pytest.raises(BackupError, match=r"psql failed: .*division by zero"):
        kept.restore_to(kept.settings, replace=True)
    assert kept.rows() == before


def test_a_database_in_use_is_left_alone(kept: Kept) -> None:
    kept.back_up()
    with connect(kept.url), pytest.raises(BackupError, match="1 connection to the database: stop"):
        kept.restore_to(kept.settings, replace=True)


def test_a_damaged_dump_is_refused(kept: Kept) -> None:
    made = kept.back_up()
    dump = made.path / "database.dump"
    dump.write_bytes(dump.read_bytes()[:-1] + b"!")
    with pytest.raises(BackupError, match=r"database\.dump is damaged: restore another"):
        kept.restore_to(kept.settings, replace=True)


def test_a_damaged_object_is_named_and_the_rest_comes_back(
    kept: Kept, database_url: str, tmp_path: Path
) -> None:
    kept.back_up()
    kept.root.joinpath("objects", kept.stored()[0][:2], kept.stored()[0]).write_bytes(b"damaged")
    new = kept.to(database_url, tmp_path / "new")
    restored = kept.restore_to(new.settings)
    assert len(restored.lost) == 1
    assert restored.objects == len(kept.keys()) - 1


def test_a_backup_of_a_newer_keepsake_is_refused(kept: Kept) -> None:
    made = kept.back_up()
    manifest = made.path / "manifest.json"
    now = f'"migration": {made.manifest.migration}'
    manifest.write_text(manifest.read_text().replace(now, '"migration": 9999'))
    with pytest.raises(BackupError, match="at migration 9999, this one knows"):
        kept.restore_to(kept.settings, replace=True)
