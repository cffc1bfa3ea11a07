"""All that an owner has, as one archive."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner

from keepsake.cli import app
from keepsake.clients.objects import FolderStore
from keepsake.database import Connection, connect
from keepsake.export import Exported, export_owner
from keepsake.export.tables import LEFT_OUT, exported_tables
from keepsake.records.deletion import _OF_RECORDS
from tests.export.given import OBJECTS, given_objects, given_owner
from tests.stores import new_bucket, s3_store


@pytest.fixture(scope="module")
def db(shared_database_url: str) -> Iterator[Connection]:
    """A database with the owners ada and ben, each of whom has something in every table."""
    with connect(shared_database_url) as connection:
        for mark in ("ada", "ben"):
            given_owner(connection, mark)
        yield connection


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    """A store with the objects of both."""
    store = FolderStore(tmp_path_factory.mktemp("store") / "objects")
    for mark in ("ada", "ben"):
        asyncio.run(given_objects(store, mark))
    return store


def owner_id(db: Connection, slug: str) -> int:
    row = db.execute("SELECT id FROM owners WHERE slug = %s", (slug,)).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(scope="module")
def of_ada(
    db: Connection,
    objects: FolderStore,
    shared_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Exported, dict[str, bytes]]:
    """What an export of ada's says of itself, and the content of each of its files."""
    path = tmp_path_factory.mktemp("export") / "ada.zip"
    exported = asyncio.run(export_owner(shared_database_url, objects, owner_id(db, "ada"), path))
    with ZipFile(path) as archive:
        assert archive.testzip() is None
        return exported, {name: archive.read(name) for name in archive.namelist()}


def rows_of(files: dict[str, bytes], kind: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files[f"data/{kind}.jsonl"].decode().splitlines()]


@pytest.mark.parametrize("table", exported_tables(), ids=lambda table: table.kind)
def test_every_kind_is_there_with_the_fields_that_the_manifest_explains(
    of_ada: tuple[Exported, dict[str, bytes]], table: Any
) -> None:
    _, files = of_ada
    [said] = [k for k in json.loads(files["manifest.json"])["kinds"] if k["kind"] == table.kind]
    rows = rows_of(files, table.kind)
    assert rows
    assert said["rows"] == len(rows)
    assert [set(row) for row in rows] == [set(said["fields"])] * len(rows)


def test_rows_are_those_of_the_database(
    db: Connection, of_ada: tuple[Exported, dict[str, bytes]]
) -> None:
    _, files = of_ada
    found = db.execute(
        "SELECT record_id, title, text FROM stories WHERE owner_id = %s", (owner_id(db, "ada"),)
    ).fetchall()
    told = [(row["record_id"], row["title"], row["text"]) for row in rows_of(files, "stories")]
    assert told == found
    assert rows_of(files, "edits")[0]["value"] == "ada edited"


def test_files_are_those_of_the_store(of_ada: tuple[Exported, dict[str, bytes]]) -> None:
    exported, files = of_ada
    kept = {name: content for name, content in files.items() if name.startswith("files/")}
    assert kept == {f"files/ada/{name}": f"ada/{name}".encode() for name in OBJECTS}
    assert (exported.files, exported.missing) == (len(OBJECTS), 0)


def test_nothing_of_another_owner_is_there(of_ada: tuple[Exported, dict[str, bytes]]) -> None:
    _, files = of_ada
    ours = [name for name, content in files.items() if b"ada" in name.encode() + content.lower()]
    theirs = [name for name, content in files.items() if b"ben" in name.encode() + content.lower()]
    assert len(ours) > 30
    assert theirs == []


def test_a_person_finds_every_record_and_its_sound_from_the_first_page(
    of_ada: tuple[Exported, dict[str, bytes]],
) -> None:
    exported, files = of_ada
    pages = re.findall(r'href="(records/\d+\.html)"', files["index.html"].decode())
    assert len(pages) == exported.records == 3
    told = "".join(files[page].decode() for page in pages)
    linked = set(re.findall(r'(?:src|href)="\.\./(files/[^"]+)"', told))
    assert {"files/ada/audio.wav", "files/ada/clip.mp3", "files/ada/e.mp3"} < linked
    assert linked <= set(files)
    assert '<audio controls preload="metadata" src="../files/ada/clip.mp3"' in told


def test_what_comes_in_meanwhile_is_not_in_it(
    db: Connection, objects: FolderStore, shared_database_url: str, tmp_path: Path
) -> None:
    ada = owner_id(db, "ada")

    def add() -> None:
        db.execute(
            "INSERT INTO removed_tags (record_id, owner_id, tag)"
            " SELECT id, owner_id, 'late ' || random() FROM records"
            " WHERE owner_id = %s AND line = 'family'",
            (ada,),
        )

    path = tmp_path / "ada.zip"
    asyncio.run(export_owner(shared_database_url, objects, ada, path, check=add))
    db.execute("DELETE FROM removed_tags WHERE tag LIKE 'late%'")
    with ZipFile(path) as archive:
        assert b"late" not in archive.read("data/removed_tags.jsonl")


def test_an_export_that_is_stopped_leaves_nothing(
    db: Connection, objects: FolderStore, shared_database_url: str, tmp_path: Path
) -> None:
    def stop() -> None:
        raise InterruptedError

    path = tmp_path / "ada.zip"
    with pytest.raises(InterruptedError):
        asyncio.run(
            export_owner(shared_database_url, objects, owner_id(db, "ada"), path, check=stop)
        )
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_gone_are_named(
    db: Connection, shared_database_url: str, tmp_path: Path
) -> None:
    empty, path = FolderStore(tmp_path / "objects"), tmp_path / "ada.zip"
    found = asyncio.run(export_owner(shared_database_url, empty, owner_id(db, "ada"), path))
    assert (found.files, found.missing) == (0, len(OBJECTS))
    with ZipFile(path) as archive:
        missing = json.loads(archive.read("manifest.json"))["missing"]
    assert sorted(missing) == sorted(f"ada/{name}" for name in OBJECTS)


def test_files_come_out_of_a_bucket_too(
    db: Connection, shared_database_url: str, tmp_path: Path, s3_endpoint: str
) -> None:
    bucket, path = s3_store(s3_endpoint, new_bucket(s3_endpoint)), tmp_path / "ada.zip"
    asyncio.run(given_objects(bucket, "ada"))
    found = asyncio.run(export_owner(shared_database_url, bucket, owner_id(db, "ada"), path))
    assert (found.files, found.missing) == (len(OBJECTS), 0)
    with ZipFile(path) as archive:
        assert archive.read("files/ada/clip.mp3") == b"ada/clip.mp3"


def test_an_owner_without_a_record_has_an_export(
    db: Connection, objects: FolderStore, shared_database_url: str, tmp_path: Path
) -> None:
    db.execute("INSERT INTO owners (slug, name) VALUES ('zoe', 'Zoë')")
    path = tmp_path / "zoe.zip"
    found = asyncio.run(export_owner(shared_database_url, objects, owner_id(db, "zoe"), path))
    assert (found.records, found.files) == (0, 0)
    with ZipFile(path) as archive:
        assert "Nothing was recorded yet" in archive.read("index.html").decode()


def test_every_table_of_an_owner_is_exported_or_left_out_for_a_reason(db: Connection) -> None:
    tables = db.execute(
        "SELECT table_name FROM information_schema.columns JOIN information_schema.tables"
        " USING (table_schema, table_name)"
        " WHERE table_schema = 'keepsake' AND column_name = 'owner_id' AND table_type LIKE 'BASE%'"
    ).fetchall()
    exported = {(table.table or table.kind).split()[0] for table in exported_tables()}
    assert {name for (name,) in tables} - exported == set(LEFT_OUT)


def test_every_column_that_names_an_object_is_exported_with_it() -> None:
    exported = {
        (table.table or table.kind, column) for table in exported_tables() for column in table.files
    }
    assert set(_OF_RECORDS) <= exported


def test_the_command_says_what_it_wrote(
    db: Connection,
    shared_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", shared_database_url)
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    asyncio.run(given_objects(FolderStore(tmp_path / "home" / "objects"), "ada"))
    path = tmp_path / "ada.zip"
    asked = CliRunner().invoke(app, ["export", "ada", "--to", str(path), "--json"])
    said = CliRunner().invoke(app, ["export", "ada", "--to", str(path)])
    none = CliRunner().invoke(app, ["export", "eve", "--to", str(path)])
    assert json.loads(asked.output)["files"] == len(OBJECTS)
    assert said.output == f"Exported 3 records with 9 files: unpack {path} and open index.html.\n"
    assert (none.exit_code, "there is no owner 'eve'" in none.output) == (2, True)
    away = CliRunner().invoke(app, ["export", "ada", "--to", str(tmp_path / "away" / "ada.zip")])
    assert (away.exit_code, "there is no folder" in away.output) == (2, True)
