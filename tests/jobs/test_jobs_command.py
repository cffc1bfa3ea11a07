"""`keepsake jobs`, on a real database."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from keepsake.cli import app
from keepsake.database import Connection, connect
from keepsake.owners.owners import add_owner


@pytest.fixture(autouse=True)
def db(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """The command's database, with an owner."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    with connect(database_url) as connection:
        add_owner(connection, "Ada")
        yield connection


def keepsake(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["jobs", *map(str, arguments)])


def answer(*arguments: object) -> Any:
    """What the command prints as JSON, when it ends well and prints nothing else."""
    result = keepsake(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(*arguments: object) -> str:
    """What the command says when it refuses what it was given."""
    result = keepsake(*arguments)
    assert result.exit_code == 2, result.output
    return result.output


def submitted(*arguments: object) -> int:
    job_id: int = answer("submit", "make_digest", "--owner", "ada", *arguments)["id"]
    return job_id


def test_a_job_is_submitted_listed_and_shown() -> None:
    said = ("--data", '{"week": "last"}', "--tag", "weekly", "--metadata", '{"why": "asked"}')
    job_id = submitted(*said)
    again = answer("submit", "make_digest", "--owner", "ada", *said)
    assert again == {"id": job_id, "created": False}
    assert [job["id"] for job in answer("list", "--metadata", '{"why": "asked"}')] == [job_id]
    assert answer("list", "--status", "failed") == []
    shown = answer("show", job_id)
    assert (shown["job"]["data"], shown["job"]["status"]) == ({"week": "last"}, "pending")
    assert shown["attempts"] == []
    assert re.search(r"make_digest +weekly +ada +pending", keepsake("list").output)
    assert "make_digest" in keepsake("show", job_id).output


def test_jobs_are_cancelled_and_tried_again() -> None:
    job_id = submitted()
    assert f"Job {job_id} is cancelled." in keepsake("cancel", job_id).output
    assert f"Job {job_id} had ended before (cancelled)" in keepsake("cancel", job_id).output
    assert f"Due again: {job_id}." in keepsake("retry", job_id).output
    assert answer("show", job_id)["job"]["status"] == "pending"


def test_the_attempts_at_a_job_are_shown(db: Connection) -> None:
    job_id = submitted()
    db.execute("UPDATE jobs SET status = 'running', attempt = 1, started_at = now()")
    keepsake("cancel", job_id)
    (attempt,) = answer("show", job_id)["attempts"]
    assert attempt["outcome"] == "cancelled"
    assert "Attempts" in keepsake("show", job_id).output


def test_types_are_listed_with_their_data() -> None:
    (digest,) = [each for each in answer("types") if each["type"] == "make_digest"]
    assert (digest["whose"], digest["data"]) == ("owner", "week")


def test_a_schedule_is_added_changed_paused_and_removed() -> None:
    added = answer(
        "schedules", "add", "make_digest", "--owner", "ada", "--tag", "weekly",
        "--cron", "0 7 * * 1", "--zone", "Europe/Berlin",
    )  # fmt: skip
    (listed,) = answer("schedules")
    assert listed == added
    assert (listed["expression"], listed["time_zone"]) == ("0 7 * * 1", "Europe/Berlin")
    schedule = listed["id"]
    said = keepsake("schedules", "change", schedule, "--cron", "@daily").output
    assert f"Schedule {schedule}: At 00:00 every day (Europe/Berlin), next " in said
    assert f"Schedule {schedule} is paused." in keepsake("schedules", "pause", schedule).output
    assert "paused" in keepsake("schedules").output
    assert not answer("schedules", "resume", schedule)["paused"]
    assert answer("schedules", "remove", schedule) == {"removed": schedule}
    assert answer("schedules") == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["submit", "bow"], "there is no type of jobs 'bow' (known: clean_up"),
        (["submit", "clean_up", "--data", "week"], "--data is no JSON object: write it like"),
        (["submit", "clean_up", "--data", '{"a": 1}'], "does not fit a job of type clean_up"),
        (["submit", "clean_up", "--at", "soon"], "--at 'soon' is no time"),
        (["submit", "clean_up", "--at", "2026-12-01"], "the due time has no time zone"),
        (["submit", "clean_up", "--at", "9999-12-01T00:00Z"], "not within the next five years"),
        (["submit", "clean_up", "--tag", "t" * 10_000], "has 10,000 characters"),
        (["submit", "clean_up", "--owner", "zoe"], "there is no owner 'zoe'"),
        (["submit", "clean_up", "--owner", "ada"], "the system's own"),
        (["show", "99"], "there is no job 99"),
        (["cancel", "99"], "there is no job 99"),
        (["retry", "99"], "there is no job 99"),
        (["list", "--status", "done"], "there is no status 'done'"),
        (["schedules", "remove", "99"], "there is no schedule 99"),
        (
            ["schedules", "add", "clean_up", "--tag", "t", "--cron", "0 0 31 2 *"],
            "no time that ever comes",
        ),
        (
            ["schedules", "add", "clean_up", "--tag", "t", "--cron", "@daily", "--zone", "X"],
            "no IANA time zone",
        ),
    ],
)
def test_what_the_command_cannot_take_is_refused_in_a_line(arguments: list[str], why: str) -> None:
    assert why in refusal(*arguments)
