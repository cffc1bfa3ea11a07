"""`keepsake jobs`, on a real database."""

import re
from collections.abc import Iterator
from functools import partial

import pytest

from keepsake.database import Connection, connect
from keepsake.owners.owners import add_owner
from tests import commands

keepsake = partial(commands.keepsake, "jobs")
answer = partial(commands.answer, "jobs")
refused = partial(commands.refused, "jobs")


@pytest.fixture(autouse=True)
def db(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """The command's database, with an owner."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    with connect(database_url) as connection:
        add_owner(connection, "Ada")
        yield connection


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


def test_a_job_is_submitted_with_all_that_it_may_have(db: Connection) -> None:
    job_id = submitted(
        "--tag", "t", "--ttl", "1h30m", "--debounce", "30s", "--debounce-longest", "5m",
        "--priority", "urgent", "--tags", "a, b", "--persistent",
    )  # fmt: skip
    job = answer("show", job_id)["job"]
    assert (job["tags"], job["priority"], job["persistent"]) == (["a", "b"], 10, True)
    assert re.search("priority +urgent", keepsake("show", job_id).output)
    assert db.execute(
        "SELECT expires_at - created_at = interval '90 min', due_at - created_at = interval '30 s'"
        " FROM jobs"
    ).fetchone() == (True, True)
    again = keepsake(
        "submit", "make_digest", "--owner", "ada", "--tag", "t",
        "--debounce", "1m", "--debounce-longest", "5m",
    )  # fmt: skip
    assert f"Job {job_id} with this tag is put off" in again.output


def test_jobs_are_found_by_words_and_time() -> None:
    job_id = submitted("--tags", "a,b")
    submitted()
    assert [job["id"] for job in answer("list", "--tags", "b")] == [job_id]
    assert answer("list", "--since", "9999-01-01T00:00Z") == []
    assert len(answer("list", "--since", "1h ago", "--owner", "ada")) == 2
    assert answer("list", "--until", "1h ago") == []


def test_what_options_find_is_counted_first_and_cancelled_with_yes() -> None:
    first, second = submitted("--tags", "a"), submitted("--tags", "a")
    keepsake("cancel", second)
    third = submitted("--tags", "a")
    assert (
        "Found 2 pending. Nothing was changed: --yes does it."
        in keepsake("cancel", "--tags", "a").output
    )
    assert answer("cancel", "--tags", "a") == {"found": {"pending": 2}}
    done = answer("cancel", "--tags", "a", "--yes")
    assert done == {"found": {"pending": 2}, "changed": [first, third], "refused": {}}
    assert "No such job." in keepsake("cancel", "--tags", "a", "--yes").output


def test_what_failed_is_retried_by_options(db: Connection) -> None:
    failed, tagged, cancelled = submitted(), submitted("--tag", "t"), submitted()
    keepsake("cancel", cancelled)
    db.execute(
        "UPDATE jobs SET status = 'failed', finished_at = now() WHERE id = ANY(%s)",
        ([failed, tagged],),
    )
    submitted("--tag", "t")
    said = keepsake("retry", "--type", "make_digest", "--yes").output
    assert "1 job due again." in said
    assert f"Not changed: another job with the tag of job {tagged} is pending" in said
    assert answer("retry", "--status", "cancelled", "--yes")["changed"] == [cancelled]


def test_of_several_jobs_all_are_changed_or_none() -> None:
    job_id = submitted()
    assert "there is no job 99" in refused("cancel", job_id, 99)
    assert answer("show", job_id)["job"]["status"] == "pending"


def test_the_end_of_its_log_is_shown_with_a_job(db: Connection) -> None:
    job_id = submitted()
    db.execute(
        "INSERT INTO job_log (job_id, attempt, at, level, message)"
        " SELECT %s, 1, now(), 'INFO', 'line ' || n FROM generate_series(1, 12) n",
        (job_id,),
    )
    assert [line["message"] for line in answer("show", job_id)["log"]][::9] == ["line 3", "line 12"]
    assert "INFO    line 12" in keepsake("show", job_id).output


def test_status_says_that_nobody_runs_what_is_due() -> None:
    submitted()
    result = commands.keepsake("status")
    assert "keepsake: no worker lives, and 1 job is due since" in result.output
    document = commands.answer("status")
    assert len(document["unserved_jobs"]) == 1


def test_types_are_listed_with_their_data() -> None:
    (digest,) = [each for each in answer("types") if each["type"] == "make_digest"]
    assert (digest["whose"], digest["data"], digest["executor"]) == ("owner", "week", "internal")
    assert digest["schema"]["properties"]["week"]["default"] == "last"


def test_a_schedule_is_added_changed_paused_and_removed() -> None:
    added = answer(
        "schedules", "add", "make_digest", "--owner", "ada", "--tag", "weekly",
        "--cron", "0 7 * * 1", "--zone", "Europe/Berlin",
    )  # fmt: skip
    (listed,) = answer("schedules", "list")
    assert listed == added
    assert (listed["expression"], listed["time_zone"]) == ("0 7 * * 1", "Europe/Berlin")
    schedule = listed["id"]
    assert listed["when"] == "At 07:00 on Monday (Europe/Berlin)"
    assert listed["upcoming"][0] == listed["next_at"]
    said = keepsake("schedules", "change", schedule, "--cron", "@daily").output
    assert f"Schedule {schedule}: At 00:00 every day (Europe/Berlin), next " in said
    assert f"Schedule {schedule} is paused." in keepsake("schedules", "pause", schedule).output
    assert "paused" in keepsake("schedules", "list").output
    changed = answer("schedules", "change", schedule, "--data", '{"week": "2026-W40"}')
    assert changed["data"] == {"week": "2026-W40"}
    assert not answer("schedules", "resume", schedule)["paused"]
    assert answer("schedules", "remove", schedule) == {"removed": schedule}
    assert answer("schedules", "list") == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["submit", "bow"], "there is no type of jobs 'bow' (known: backfill_line"),
        (["submit", "clean_up", "--data", "week"], "--data is no JSON object: write it like"),
        (["submit", "clean_up", "--data", '{"a": 1}'], "does not fit a job of type clean_up"),
        (["submit", "clean_up", "--run-after", "soon"], "--run-after 'soon' is no time"),
        (["submit", "clean_up", "--run-after", "2026-12-01"], "the due time has no time zone"),
        (
            ["submit", "clean_up", "--run-after", "9999-12-01T00:00Z"],
            "not within the next five years",
        ),
        (["submit", "clean_up", "--tag", "t" * 10_000], "has 10,000 characters"),
        (["submit", "clean_up", "--owner", "zoe"], "there is no owner 'zoe'"),
        (["submit", "clean_up", "--owner", "ada"], "the system's own"),
        (["submit", "clean_up", "--run-after", "1970-01-01T00:00Z"], "within the next five years"),
        (["submit", "clean_up", "--ttl", "soon"], "--ttl 'soon' is no span of time"),
        (["submit", "clean_up", "--ttl", "9000d"], "the ttl must be from 1 s to five years"),
        (["submit", "clean_up", "--debounce", "5s"], "belong together: give both"),
        (
            ["submit", "clean_up", "--debounce", "5s", "--debounce-longest", "1m"],
            "debouncing needs a tag",
        ),
        (["submit", "clean_up", "--priority", "high"], "priority 'high' is none of low"),
        (["submit", "clean_up", "--tags", "t" * 10_000], "has 10,000 characters"),
        (["cancel"], "name jobs by their ids, or find them by options"),
        (["retry", "1", "--type", "clean_up"], "or find them by options, not both"),
        (["cancel", "--status", "done", "--yes"], "there is no status 'done'"),
        (["list", "--since", "soon"], "--since 'soon' is no time"),
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
    assert why in refused(*arguments)


def test_what_cannot_be_undone_is_submitted_only_once_somebody_says_yes() -> None:
    deleting = ("submit", "delete_record", "--owner", "ada", "--data", '{"record_id": 1}')
    assert "cannot be undone: --yes submits it" in refused(*deleting)
    assert answer("list") == []
    assert answer(*deleting, "--yes")["created"]
