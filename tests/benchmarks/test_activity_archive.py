"""The export that imports are measured with: as Strava packs one, every run once. Not timed."""

import zipfile
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.activity_archive import write_archive
from keepsake.clients.objects import FolderStore
from keepsake.database import connect
from keepsake.owners.owners import add_owner
from keepsake.running.imports import import_activities
from keepsake.settings import load_settings
from tests.given import in_pool


def test_every_file_of_it_is_an_activity_of_its_own(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path))
    export = tmp_path / "export.zip"
    write_archive(export, 20)

    with connect(database_url) as db:
        runner = add_owner(db, "Runa")
        store = FolderStore(tmp_path / "objects")
        imported = in_pool(
            database_url,
            lambda pool: import_activities(pool, store, load_settings(), runner, export),
        )
        titles = db.execute("SELECT DISTINCT title FROM activity_files").fetchall()

    assert (imported.created, imported.duplicates, imported.rejected) == (20, 0, 0)
    assert titles == [("Run",)], "the listing beside the files was found"


def test_it_holds_every_format_packed_and_not(tmp_path: Path) -> None:
    export = tmp_path / "export.zip"
    write_archive(export, 10)

    with zipfile.ZipFile(export) as archive:
        kinds = Counter(name.partition(".")[2] for name in archive.namelist())

    assert kinds == {"fit.gz": 5, "fit": 1, "gpx": 2, "tcx": 1, "tcx.gz": 1, "csv": 1}
