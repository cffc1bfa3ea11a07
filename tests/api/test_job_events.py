"""Streams of jobs: the present state first, then what changes; nothing of other owners."""

import httpx

from tests.api.conftest import Door
from tests.api.test_events import following

DIGEST = {"type": "make_digest"}


def submit(client: httpx.Client) -> int:
    return int(client.post("/api/jobs", json=DIGEST).raise_for_status().json()["id"])


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
    first = submit(rose)
    with following(rose, "/api/jobs/events") as stream:
        assert stream.next() == ("open", {"open": {"pending": 1}})
        submit(otto)
        rose.post(f"/api/jobs/{first}/cancel").raise_for_status()
        assert stream.next() == ("jobs", {"changes": [{"job": first, "status": "cancelled"}]})


def test_an_operator_follows_jobs_of_the_system(door: Door, rose: httpx.Client) -> None:
    operator = door.operator()
    with following(operator, "/api/jobs/events") as stream:
        assert stream.next() == ("open", {"open": {}})
        submit(rose)
        job = operator.post("/api/jobs", json={"type": "clean_up"}).json()["id"]
        assert stream.next() == ("jobs", {"changes": [{"job": job, "status": "pending"}]})


def test_another_owners_job_is_not_followed(rose: httpx.Client, otto: httpx.Client) -> None:
    job = submit(rose)
    assert otto.get(f"/api/jobs/{job}/events").status_code == 404
    assert otto.get("/api/jobs/events?owner=the-marlows").status_code == 404
