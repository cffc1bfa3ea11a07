"""The same settings and the same data from any current folder; only `up` and `demo` make a home."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keepsake.cli import app
from keepsake.errors import SettingsError
from keepsake.local.up import started
from keepsake.settings import Settings, load_settings
from tests.pages import ROOT

SHOW = "from keepsake.settings import load_settings as l; s = l(); print(s.home, s.quote_hour)"


def elsewhere(folder: Path, *arguments: object, **environment: object) -> str:
    """What Python prints in another folder, where nothing of these tests' settings is known."""
    known = {n: v for n, v in os.environ.items() if not n.startswith(("KEEPSAKE_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**known, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_checkout_has_its_data_in_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("QUOTE_HOUR=3\n")  # some other program's
    shown = elsewhere(tmp_path, "-c", SHOW, KEEPSAKE_ENV_FILE=os.devnull)
    assert shown == f"{ROOT / '.keepsake'} 9"


def test_an_installed_package_has_them_in_the_users_folders(tmp_path: Path) -> None:
    package = tmp_path / "site" / "keepsake"
    data = shutil.ignore_patterns("demo", "__pycache__", "*.gz", "*.npz")
    shutil.copytree(ROOT / "keepsake", package, ignore=data)
    (tmp_path / "config/keepsake").mkdir(parents=True)
    (tmp_path / "config/keepsake/.env").write_text("QUOTE_HOUR=5\n")
    user = {"XDG_CONFIG_HOME": tmp_path / "config", "XDG_DATA_HOME": tmp_path / "data"}
    if sys.platform == "darwin":  # which names the folders itself
        pytest.skip("the user's folders of macOS are not the test's to write to")
    shown = elsewhere(tmp_path, "-c", SHOW, PYTHONPATH=package.parent, **user)
    assert shown == f"{tmp_path / 'data/keepsake'} 5"


def test_a_relative_path_starts_at_its_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/.env").write_text("KEEPSAKE_HOME=data\nPRICES_FILE=prices.csv\n")
    monkeypatch.setenv("KEEPSAKE_ENV_FILE", "etc/.env")
    monkeypatch.delenv("KEEPSAKE_HOME")
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    monkeypatch.chdir("/")
    assert settings.home == (tmp_path / "etc/data").resolve()
    assert settings.prices_file == str(tmp_path / "etc/prices.csv")


def test_a_relative_path_of_the_environment_starts_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSAKE_HOME", "data")
    monkeypatch.setenv("NOTIFY_CONFIG", "https://config.example.com/apprise")
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    monkeypatch.chdir("/")
    assert settings.home == (tmp_path / "data").resolve()
    assert settings.notify_config == "https://config.example.com/apprise"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("QUOTE_HOUR=7\nA='ä\n".encode("latin-1"), "is not UTF-8 text (line 2)"),
        (b"QUOTE_HOUR=7\n\nthis is no setting\n", "line 3 of "),
        (None, "cannot be read: Is a directory"),
    ],
)
def test_an_env_file_that_cannot_be_read_is_named(
    content: bytes | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    monkeypatch.setenv("KEEPSAKE_ENV_FILE", str(file))
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert said in str(refused.value)
    assert str(file) in str(refused.value)
    assert "no setting" not in str(refused.value)  # the line may hold a password


def test_an_env_file_that_is_named_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSAKE_ENV_FILE", str(tmp_path / "none.env"))
    with pytest.raises(SettingsError, match=r"^KEEPSAKE_ENV_FILE: there is no file"):
        load_settings()


def test_an_env_file_of_windows_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_bytes("\ufeffQUOTE_HOUR=7\r\n".encode())
    monkeypatch.setenv("KEEPSAKE_ENV_FILE", str(tmp_path / ".env"))
    assert load_settings().quote_hour == 7


@pytest.mark.parametrize(
    "command",
    [
        "status", "status 1", "batches", "owners", "owner ada", "costs", "digest", "retry",
        "redo 1 stories", "tag 1 courage", "search ada bread", "add family Marlow", "add owner Ada",
        "add bookmark https://example.org/", "import activities .", "db migrate",
    ],
)  # fmt: skip
def test_a_command_makes_no_home(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 1
    assert "run `keepsake up` or `keepsake demo`" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_recording_is_stored_where_there_is_no_home(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    for command in (["add", "family", "Marlow"], ["add", "member", "marlow", "Rose"]):
        assert CliRunner().invoke(app, command).exit_code == 0
    recording = str(ROOT / "keepsake/demo/data/ellen.ogg")
    said = CliRunner().invoke(app, ["add", "response", "marlow", "Rose", "--audio", recording])
    assert said.exit_code == 1
    assert f"there is no folder {tmp_path / 'home'} to store objects in" in said.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("home", ["a-file", "a-file/home"])
def test_a_home_that_cannot_be_one_is_named(home: str, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("")
    settings = Settings.model_validate({"keepsake_home": tmp_path / home})
    with (
        pytest.raises(SettingsError, match=f"^KEEPSAKE_HOME: {tmp_path / home} (is a file|cannot)"),
        started(settings, prepare=lambda url: None),
    ):
        pass


def test_a_home_that_is_read_only_is_named(home: Path) -> None:
    home.chmod(0o555)
    user, nobody = os.geteuid(), 65534
    settings = Settings.model_validate({"keepsake_home": home})
    try:
        if user == 0:  # whom no permission stops
            os.seteuid(nobody)
        with (
            pytest.raises(SettingsError, match=r"KEEPSAKE_HOME: .* cannot be written"),
            started(settings, prepare=lambda url: None),
        ):
            pass
    finally:
        os.seteuid(user)
        home.chmod(0o755)


def test_what_is_started_is_in_a_repository(tmp_path: Path) -> None:
    settings = Settings.model_validate({"keepsake_home": tmp_path / "home"})
    with (
        pytest.raises(SettingsError, match="run them from a clone"),
        started(settings, prepare=lambda url: None, root=tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
