"""`keepsake backup`, from a person's side."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from keepsake.cli import app
from tests.backup.conftest import Kept


@pytest.fixture(autouse=True)
def _environment(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", kept.url)
    monkeypatch.setenv("KEEPSAKE_HOME", str(kept.settings.keepsake_home))
    monkeypatch.setenv("BACKUP_DIR", str(kept.root))


def keepsake(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["backup", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def answer(*arguments: object) -> Any:
    return json.loads(keepsake(*arguments, "--json").stdout)


def test_from_making_one_to_restoring_it(kept: Kept) -> None:
    before = kept.rows()
    assert "There is no backup" in keepsake("list").stdout
    made = answer("create")
    assert Path(made["path"]) == kept.root / made["name"]
    assert "is well" in keepsake("verify").stdout
    (listed,) = answer("list")["backups"]
    assert (listed["name"], listed["verified"]["problems"]) == (made["name"], [])
    assert made["name"] in keepsake("list").stdout
    kept.execute("DELETE FROM owners WHERE id = 1")
    assert "is not empty" in keepsake("restore", code=2).stderr
    assert answer("restore", made["name"], "--replace")["lost"] == []
    assert kept.rows()["records"] == before["records"]


def test_another_folder_is_named_by_hand(tmp_path: Path) -> None:
    keepsake("create", "--to", tmp_path / "elsewhere")
    assert len(answer("list", "--in", tmp_path / "elsewhere")["backups"]) == 1
    assert answer("list")["backups"] == []


def test_what_is_damaged_ends_with_1(kept: Kept) -> None:
    made = kept.back_up()
    (made.path / "objects.jsonl.gz").write_bytes(b"nothing")
    assert "objects.jsonl.gz is damaged" in keepsake("verify", code=1).stderr
    assert "DAMAGED" in keepsake("list").stdout
    (made.path / "manifest.json").write_bytes(b"nothing")
    assert "it is damaged" in keepsake("list", code=1).stderr


def test_pruning_says_what_it_would_remove(kept: Kept) -> None:
    first = kept.back_up()
    kept.back_up()
    assert f"Would remove 1 backup, 1 stay.\n  {first.name}" in (
        keepsake("prune", "--keep-last", 1, "--dry-run").stdout
    )
    assert answer("prune", "--keep-last", 1)["removed"] == [first.name]
    assert "say what to keep" in keepsake("prune", code=2).stderr


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = keepsake("create", "--to", tmp_path / "file", code=1).stderr
    assert said.endswith("file: File exists; see BACKUP_DIR\n")
