"""`keepsake logs`, of parts and of jobs."""

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from keepsake.cli import app
from keepsake.database import Connection, connect
from keepsake.jobs.log import JobLog
from keepsake.logs import about

log = logging.getLogger("keepsake.tests")


@pytest.fixture(autouse=True)
def db(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Connection]:
    """The command's database, with job 1, which runs; and a data folder with a log."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/worker.log").write_text("one\ntwo\n")
    with connect(database_url) as connection:
        connection.execute(
            "INSERT INTO jobs (type, executor, status, attempt, started_at)"
            " VALUES ('clean_up', 'internal', 'running', 1, now())"
        )
        yield connection


def keepsake(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["logs", *map(str, arguments)])


def test_the_parts_that_have_logs_are_listed() -> None:
    assert "worker.log" in keepsake().output
    assert [each["part"] for each in json.loads(keepsake("--json").stdout)] == ["worker"]


def test_the_log_of_a_part_is_shown() -> None:
    assert keepsake("worker").output == "one\ntwo\n"
    assert keepsake("Worker", "-n", 1).output == "two\n"
    assert json.loads(keepsake("worker", "--json").stdout)["lines"] == ["one", "two"]


def test_what_is_kept_of_a_job_is_shown(database_url: str) -> None:
    assert "Nothing was logged of job 1" in keepsake("--job", 1).output
    with JobLog(database_url), about(job=1):
        log.info("begins")
        log.warning("late")
    assert keepsake("--job", 1).output.splitlines()[1].endswith("  1  WARNING late")
    (line,) = json.loads(keepsake("--job", 1, "--lines", 1, "--json").stdout)
    assert (line["attempt"], line["level"], line["message"]) == (1, "WARNING", "late")


def test_a_job_is_followed_until_it_has_ended(database_url: str, db: Connection) -> None:
    said: list[Result] = []
    follow = threading.Thread(target=lambda: said.append(keepsake("--job", 1, "-f", "--json")))
    with JobLog(database_url), about(job=1):
        log.info("before")
        follow.start()
        log.info("meanwhile")
        db.execute("UPDATE jobs SET status = 'succeeded', finished_at = now()")
        log.info("last")
    follow.join(20)
    lines = [json.loads(line)["message"] for line in said[0].stdout.splitlines()]
    assert lines == ["before", "meanwhile", "last"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--job", "99"], "there is no job 99"),
        (["--job", "99", "--follow"], "there is no job 99"),
        (["kitchen"], "there is no log of 'kitchen' (known: worker)"),
        (["worker", "--job", "1"], "name a part or --job, not both"),
        (["--follow"], "name the part to show, or --job"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_line(arguments: list[str], why: str) -> None:
    result = keepsake(*arguments)
    assert result.exit_code == 2
    assert why in result.output
