"""`keepsake doctor` on real parts, well and unwell."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keepsake.cli import app
from keepsake.doctor import Check, examine
from keepsake.local.ports import free_port
from keepsake.local.up import started
from keepsake.search import prepare
from keepsake.settings import load_settings
from tests.doubles.cobalt import KEY, Cobalt
from tests.doubles.server import serving

CHECKS = [
    "settings", "home", "database", "objects", "chat", "embeddings", "speech", "transcription",
    "dagster",
]  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder where nothing runs yet."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("KEEPSAKE_HOME", str(home))
    monkeypatch.setenv("DAGSTER_PORT", str(free_port()))
    return home


@pytest.fixture
def models(folder: Path, models_url: str) -> str:
    """The real local models, running for this data folder."""
    (folder / "up.json").write_text(json.dumps({"models_url": models_url}))
    return models_url


def checks() -> dict[str, Check]:
    return {check.name: check for check in examine()}


def test_all_is_well_while_everything_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPSAKE_HOME", str(home))
    settings = load_settings()

    def bring_up_to_date(url: str) -> None:
        prepare(url, settings)

    with started(settings, prepare=bring_up_to_date):
        result = CliRunner().invoke(app, ["doctor", "--json"])
    found = json.loads(result.stdout)
    assert [check["name"] for check in found] == CHECKS
    assert [check for check in found if not check["ok"]] == []
    assert result.exit_code == 0


def test_nothing_runs() -> None:
    found = checks()
    assert [name for name, check in found.items() if check.ok] == ["settings", "home", "objects"]
    for name in ("database", "chat", "embeddings", "speech", "dagster"):
        assert "keepsake up" in (found[name].mend or "")


def test_it_makes_no_home(folder: Path) -> None:
    folder.rmdir()
    found = checks()
    assert [name for name, check in found.items() if check.ok] == ["settings"]
    assert all("keepsake up" in (found[name].mend or "") for name in ("home", "objects"))
    assert not folder.exists()


def test_it_says_which_settings_and_which_home_and_why(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"{folder}, which KEEPSAKE_HOME in the environment names" == checks()["home"].detail
    file = tmp_path / "my.env"
    file.write_text("KEEPSAKE_HOME=home\n")
    monkeypatch.setenv("KEEPSAKE_ENV_FILE", str(file))
    monkeypatch.delenv("KEEPSAKE_HOME")
    found = checks()
    assert f"from the environment and {file}" in found["settings"].detail
    assert f"{folder}, which KEEPSAKE_HOME in {file} names" == found["home"].detail


def test_a_home_that_is_a_file(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("")
    home = checks()["home"]
    assert not home.ok
    assert "KEEPSAKE_HOME" in (home.mend or "")


def test_the_command_says_what_is_wrong_and_how_to_mend_it() -> None:
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "FAILED database" in result.stdout
    assert "To mend it: start everything with `keepsake up`" in result.stdout


def test_wrong_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_TIMEOUT", "-1")
    (check,) = examine()
    assert (check.name, check.ok) == ("settings", False)
    assert "CHAT_TIMEOUT" in check.detail


def test_a_database_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/keepsake")
    database = checks()["database"]
    assert not database.ok
    assert "DATABASE_URL" in (database.mend or "")


def test_a_database_without_the_schema(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    assert "keepsake db migrate" in (checks()["database"].mend or "")


def test_a_database_that_is_well(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert checks()["database"].ok


def test_objects_that_cannot_be_written(folder: Path) -> None:
    (folder / "objects").write_text("a file where the folder should be")
    objects = checks()["objects"]
    assert not objects.ok
    assert "KEEPSAKE_HOME" in (objects.mend or "")


def test_vectors_of_another_length(models: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDINGS_DIMENSIONS", "7")
    embeddings = checks()["embeddings"]
    assert not embeddings.ok
    assert "EMBEDDINGS_DIMENSIONS" in embeddings.detail


def test_a_model_that_the_endpoint_does_not_have(
    models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_BASE_URL", models)
    monkeypatch.setenv("CHAT_MODEL", "no-such-model")
    found = checks()
    assert "CHAT_MODEL" in (found["chat"].mend or "")
    assert found["transcription"].ok, "one part that is unwell hides no other"


def test_a_model_whose_end_is_announced(models: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSCRIPTION_BASE_URL", models)
    monkeypatch.setenv("TRANSCRIPTION_MODEL", "whisper-1")
    transcription = checks()["transcription"]
    assert "TRANSCRIPTION_MODEL" in f"{transcription.detail}{transcription.mend}"


@pytest.mark.parametrize(
    ("version", "said"), [("11.7.1", "11.7.1 takes our requests, knows 3 services"), ("7.15", "7")]
)
def test_a_cobalt_that_is_well(monkeypatch: pytest.MonkeyPatch, version: str, said: str) -> None:
    server = Cobalt(version)
    with serving(server) as server.address:
        monkeypatch.setenv("COBALT_URL", server.address)
        cobalt = checks()["cobalt"]
    assert cobalt.ok
    assert said in cobalt.detail


def test_a_cobalt_that_refuses_our_key(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Cobalt(key=KEY)
    with serving(server) as server.address:
        monkeypatch.setenv("COBALT_URL", server.address)
        monkeypatch.setenv("COBALT_API_KEY", "another")
        cobalt = checks()["cobalt"]
    assert not cobalt.ok
    assert "auth.key" in cobalt.detail
    assert "COBALT_API_KEY" in (cobalt.mend or "")


def test_a_cobalt_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COBALT_URL", f"http://127.0.0.1:{free_port()}")
    cobalt = checks()["cobalt"]
    assert not cobalt.ok
    assert "COBALT_URL" in (cobalt.mend or "")
