"""What all commands share: exit codes, colours, pipes, `--json`, completion, Ctrl-C."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner, Result

from keepsake.cli import app
from keepsake.database import connect
from keepsake.owners.owners import add_owner
from keepsake.terminal.shell import Commands
from keepsake.text.counted import counted

COMMAND = [str(Path(sys.executable).with_name("keepsake"))]
BRACKETS = "\x1b["  # begins every colour


@pytest.fixture
def home(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home and database."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path))
    return tmp_path


def keepsake(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def on_terminal(*arguments: str, **environment: str) -> str:
    """What a person sees on a terminal of 80 columns."""
    master, terminal = pty.openpty()
    command = subprocess.Popen(
        [*COMMAND, *arguments],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80", **environment},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    seen = b""
    try:
        while part := os.read(master, 65536):
            seen += part
    except OSError:  # Linux says so when the other end is closed
        pass
    command.wait()
    os.close(master)
    return seen.decode()


@pytest.mark.parametrize(
    ("said", "right"),
    [
        (counted(1, "record"), "1 record"),
        (counted(0, "record"), "0 records"),
        (counted(2000, "record"), "2,000 records"),
        (counted(1, "activity", "activities"), "1 activity"),
        (counted(2, "activity", "activities"), "2 activities"),
    ],
)
def test_one_is_not_many(said: str, right: str) -> None:
    assert said == right


def test_errors_are_red_on_a_terminal_unless_no_color_is_set() -> None:
    wrong = {"CHAT_TIMEOUT": "-1"}
    assert BRACKETS in on_terminal("status", NO_COLOR="", **wrong)
    plain = on_terminal("status", NO_COLOR="1", **wrong)
    assert plain.startswith("keepsake: CHAT_TIMEOUT: ")
    assert BRACKETS not in plain


def test_force_color_colours_a_pipe(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert BRACKETS in keepsake("status", 7).stderr


def test_in_a_pipe_nothing_is_wrapped(home: Path, database_url: str) -> None:
    name = (
        "A family whose name is a good deal longer than any terminal that people use is wide, " * 2
    )
    with connect(database_url) as db:
        add_owner(db, name.strip())
    title, heading, row = keepsake("owners").stdout.splitlines()
    assert (title, heading.split()[0]) == ("Owners", "owner")
    assert name.strip() in row


def test_the_version_is_that_of_the_package() -> None:
    assert keepsake("--version").stdout == "keepsake 0.1.0\n"


def test_the_shell_completes_commands() -> None:
    done = subprocess.run(
        COMMAND,
        env={**os.environ, "_KEEPSAKE_COMPLETE": "complete_bash", "COMP_WORDS": "keepsake bat",
             "COMP_CWORD": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["batches"]


def test_a_reader_that_goes_is_no_error(home: Path) -> None:
    done = subprocess.run(
        f"'{COMMAND[0]}' costs --json | true",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traceback" not in done.stderr


def test_a_disk_that_refuses_is_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "postgres/data").mkdir(parents=True)
    (home / "postgres.lock").mkdir()  # where a file is to be written
    monkeypatch.delenv("DATABASE_URL")
    result = keepsake("status")
    assert result.exit_code == 1
    assert result.stderr == f"keepsake: {home / 'postgres.lock'}: Is a directory\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk to write to is Linux's")
def test_a_full_disk_is_one_line() -> None:
    own = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @own.command()
    def write() -> None:
        Path("/dev/full").write_text("a record")

    own.command("read")(lambda: None)
    result = CliRunner().invoke(own, ["write"])
    assert (result.exit_code, result.stderr) == (1, "keepsake: No space left on device\n")


@pytest.fixture
def bookmarks(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "saved.csv").write_text(text)
        return tmp_path / "saved.csv"

    return write


@pytest.mark.parametrize(
    ("rows", "code", "refused"),
    [
        ("https://example.org/,A\n", 0, 0),
        ("https://example.org/,A\n,B\n", 1, 1),
        (",A\n,B\n", 1, 2),
    ],
)
def test_an_import_that_refuses_anything_ends_with_1(
    home: Path, bookmarks: Callable[[str], Path], rows: str, code: int, refused: int
) -> None:
    result = keepsake("import", "bookmarks", bookmarks(f"url,title\n{rows}"), "--json")
    assert (result.exit_code, json.loads(result.stdout)["rejected"]) == (code, refused)


def test_activities_that_are_refused_end_with_1(home: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/a.fit").write_text("no activity")
    result = keepsake("import", "activities", tmp_path / "runs", "--json")
    assert (result.exit_code, json.loads(result.stdout)["rejected"]) == (1, 1)
    assert keepsake("import", "activities", tmp_path / "none").exit_code == 2


def test_every_command_that_ends_by_itself_has_json() -> None:
    def without(command: Any, name: str) -> list[str]:
        parts = getattr(command, "commands", {})
        if parts:
            return [found for part in parts for found in without(parts[part], f"{name} {part}")]
        return [] if any("--json" in p.opts for p in command.params) else [name]

    assert without(get_command(app), "keepsake") == [
        "keepsake up",
        "keepsake serve",
        "keepsake demo",
        "keepsake jobs work",
    ]
