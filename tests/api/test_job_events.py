"""Streams of jobs: the present state first, then what changes; nothing of other owners."""

from collections.abc import Callable
from typing import Any

import httpx
import psycopg

from tests.api.conftest import Door
from tests.api.test_events import Stream, following

DIGEST = {"type": "make_digest"}


def submit(client: httpx.Client) -> int:
    return int(client.post("/api/jobs", json=DIGEST).raise_for_status().json()["id"])


def told(stream: Stream, change: Callable[[], int]) -> tuple[set[int], list[dict[str, Any]]]:
    """Which jobs were changed until the stream told of some one by one, and what it told.

    Until the database tells, and a moment longer, a stream reads the state again.
    """
    changed = set()
    while True:
        changed.add(change())
        name, said = stream.next()
        if name == "jobs":
            return changed, said["changes"]
        assert name == "open"


def test_a_job_is_followed_from_its_present_state_to_its_deletion(
    door: Door, rose: httpx.Client
) -> None:
    job = submit(rose)
    with following(rose, f"/api/jobs/{job}/events") as stream:
        name, now = stream.next()
        assert (name, now["id"], now["status"]) == ("job", job, "pending")
        door.db.execute(
            "UPDATE jobs SET status = 'running', attempt = 1, started_at = now() WHERE id = %s",
            (job,),
        )
        assert stream.until("job", status="running")["attempt"] == 1
        rose.post(f"/api/jobs/{job}/cancel").raise_for_status()
        assert stream.until("job", status="cancelled")["success"] is False
        door.db.execute("DELETE FROM jobs WHERE id = %s", (job,))
        stream.until("deleted")
        assert stream.next() == ("end", None)


def test_the_jobs_of_an_owner_are_followed_and_none_of_others(
    rose: httpx.Client, otto: httpx.Client
) -> None:
    def submit_both() -> int:
        submit(otto)
        return submit(rose)

    submit(rose)
    with following(rose, "/api/jobs/events") as stream:
        assert stream.next() == ("open", {"open": {"pending": 1}})
        submitted, changes = told(stream, submit_both)
        assert {change["job"] for change in changes} <= submitted
        assert {change["status"] for change in changes} == {"pending"}


def test_an_operator_follows_jobs_of_the_system(door: Door, rose: httpx.Client) -> None:
    operator = door.operator()

    def submit_both() -> int:
        submit(rose)
        return int(operator.post("/api/jobs", json={"type": "clean_up"}).json()["id"])

    with following(operator, "/api/jobs/events") as stream:
        assert stream.next() == ("open", {"open": {}})
        submitted, changes = told(stream, submit_both)
        assert {change["job"] for change in changes} <= submitted


def test_another_owners_job_is_not_followed(rose: httpx.Client, otto: httpx.Client) -> None:
    job = submit(rose)
    assert otto.get(f"/api/jobs/{job}/events").status_code == 404
    assert otto.get("/api/jobs/events?owner=the-marlows").status_code == 404


def test_the_database_tells_of_jobs_only_while_somebody_follows(
    door: Door, rose: httpx.Client
) -> None:
    with psycopg.connect(door.settings.database_url, autocommit=True) as listener:
        listener.execute("LISTEN keepsake_job_states")
        submit(rose)
        assert list(listener.notifies(timeout=0.2)) == []
        with following(rose, "/api/jobs/events") as stream:
            stream.next()
            submitted, _ = told(stream, lambda: submit(rose))
            first, *_ = listener.notifies(timeout=5, stop_after=1)
            assert first.payload in {f"{door.marlows.id} {job} job pending" for job in submitted}
