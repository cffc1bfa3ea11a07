"""Activities and files of bookmarks come in; archives are taken in behind their request."""

import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from keepsake.api.app import create_app
from keepsake.database import Connection
from tests.api.conftest import Door
from tests.api.serving import serving
from tests.running.journal import archive, gpx

KEY = {"Idempotency-Key": "a-key-of-mine"}
EXPORT = b"""<!DOCTYPE NETSCAPE-Bookmark-file-1><DL><p>
<DT><A HREF="https://example.org/a" ADD_DATE="1700000000">A</A>
<DT><A HREF="https://example.org/b" ADD_DATE="1700000001">B</A>
</DL><p>"""


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is not the server's."""
    return tmp_path_factory.mktemp("elsewhere")


def taken_in(db: Connection, batch_id: int) -> dict[str, Any]:
    """The counts of a batch, once all of it was taken in and its file is gone."""
    deadline = time.monotonic() + 30
    while db.execute("SELECT FROM accepted_imports").fetchone() is not None:
        assert time.monotonic() < deadline, "the import does not end"
        time.sleep(0.02)
    row = db.execute(
        "SELECT created, duplicates, rejected, taken_in_at IS NOT NULL FROM batches WHERE id = %s",
        (batch_id,),
    ).fetchone()
    assert row is not None
    return dict(zip(("created", "duplicates", "rejected", "over"), row, strict=True))


@pytest.mark.parametrize("way", ["body", "form"])
def test_an_activity_comes_in_once(door: Door, rose: httpx.Client, way: str) -> None:
    def send() -> httpx.Response:
        if way == "body":
            params = {"file_name": "run.gpx", "title": "Evening run"}
            return rose.post("/api/activities", params=params, content=gpx())
        form = {"title": "Evening run"}
        return rose.post("/api/activities", data=form, files={"file": ("run.gpx", gpx())})

    first, again = send(), send()
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert first.json()["others"] == []
    stored = door.db.execute("SELECT file_name, title FROM activity_files").fetchall()
    assert stored == [("run.gpx", "Evening run")]
    assert list(door.settings.incoming_folder.iterdir()) == []


def test_an_activity_with_a_key_is_answered_alike(rose: httpx.Client) -> None:
    first, again, other = (
        rose.post("/api/activities", content=content, headers=KEY)
        for content in (gpx(), gpx(), gpx(minutes=3))
    )
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == again.json()


def test_what_is_no_activity_is_told_so(door: Door, rose: httpx.Client) -> None:
    answer = rose.post("/api/activities", content=b"no run")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert door.db.execute("SELECT count(*) FROM records").fetchone() == (0,)


def test_an_archive_becomes_a_batch(door: Door, rose: httpx.Client, elsewhere: Path) -> None:
    runs = {"a.gpx": gpx(), "b.gpx": b"no run"}
    path = archive(elsewhere / "export.zip", runs)
    first, again = (
        rose.post("/api/activities", files={"file": path.open("rb")}, headers=KEY) for _ in range(2)
    )
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    batch_id = first.json()["id"]
    assert first.headers["Location"] == f"/api/batches/{batch_id}"
    assert taken_in(door.db, batch_id) == {
        "created": 1, "duplicates": 0, "rejected": 1, "over": True
    }  # fmt: skip
    assert door.db.execute("SELECT name FROM batches").fetchall() == [("export.zip",)]
    assert list(door.settings.imports_folder.iterdir()) == []


def test_a_file_of_bookmarks_becomes_a_batch(door: Door, rose: httpx.Client) -> None:
    answer = rose.post("/api/bookmarks/imports", content=EXPORT)
    assert answer.status_code == 202
    counts = taken_in(door.db, answer.json()["id"])
    assert counts == {"created": 2, "duplicates": 0, "rejected": 0, "over": True}


def test_a_file_that_holds_no_bookmarks_is_told_so(door: Door, rose: httpx.Client) -> None:
    answer = rose.post("/api/bookmarks/imports", content=b"\x00\x01 no bookmarks")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert door.db.execute("SELECT count(*) FROM batches").fetchone() == (0,)


def test_an_import_whose_process_ended_is_taken_up_by_the_next(
    door: Door, rose: httpx.Client
) -> None:
    """As a process leaves it that was killed after it had stored one of two bookmarks."""
    row = door.db.execute(
        "INSERT INTO batches (owner_id, line, name) VALUES (%s, 'bookmarks', 'b.html')"
        " RETURNING id",
        (door.marlows.id,),
    ).fetchone()
    assert row is not None
    door.settings.imports_folder.mkdir()
    (door.settings.imports_folder / "b.html").write_bytes(EXPORT)
    rose.post("/api/bookmarks", json={"url": "https://example.org/a"})
    door.db.execute("UPDATE records SET batch_id = %s", row)
    door.db.execute(
        "INSERT INTO accepted_imports (batch_id, owner_id, file, attempts, due_at)"
        " VALUES (%s, %s, 'b.html', 1, now() + interval '1 minute')",
        (row[0], door.marlows.id),
    )
    with serving(create_app(door.settings)):
        counts = taken_in(door.db, row[0])
    assert counts == {"created": 2, "duplicates": 0, "rejected": 0, "over": True}


def test_files_that_nobody_waits_for_are_deleted_when_a_process_begins(door: Door) -> None:
    yesterday = time.time() - 90_000
    kept = []
    for folder in (door.settings.incoming_folder, door.settings.imports_folder):
        folder.mkdir()
        (folder / "old.part").write_bytes(b"half a story")
        os.utime(folder / "old.part", (yesterday, yesterday))
        (folder / "new.part").write_bytes(b"half a story")
        kept.append(folder / "new.part")
    with serving(create_app(door.settings)):
        assert list(door.settings.incoming_folder.iterdir()) == kept[:1]
        assert list(door.settings.imports_folder.iterdir()) == kept[1:]
