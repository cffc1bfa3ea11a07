"""Schedules over HTTP: made, changed, paused and removed by those who may submit their jobs."""

from typing import Any

import httpx
import pytest

from tests.api.conftest import Door

WEEKLY = {
    "type": "make_digest",
    "tag": "weekly",
    "expression": "0 7 * * 1",
    "time_zone": "Europe/Berlin",
}


def make(client: httpx.Client, **schedule: Any) -> str:
    """The address of a schedule."""
    answer = client.post("/api/job-schedules", json={**WEEKLY, **schedule})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["Location"])


def test_a_schedule_is_made_changed_paused_resumed_and_removed(rose: httpx.Client) -> None:
    address = make(rose)
    made = rose.get(address).json()
    assert (made["owner"], made["paused"], made["data"]) == ("the-marlows", False, {"week": "last"})
    assert rose.get("/api/job-schedules").json() == {"schedules": [made]}
    changed = rose.patch(address, json={"expression": "@daily", "data": {"week": "2026-W46"}})
    assert changed.json()["expression"] == "0 0 * * *"
    assert changed.json()["data"] == {"week": "2026-W46"}
    assert changed.json()["time_zone"] == "Europe/Berlin"
    paused = rose.post(f"{address}/pause").json()
    assert (paused["paused"], paused["next_at"]) == (True, None)
    assert rose.post(f"{address}/resume").json()["next_at"] == changed.json()["next_at"]
    assert rose.delete(address).status_code == 204
    assert rose.get(address).status_code == 404


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"expression": "0 0 31 2 *"}, "no time that ever comes"),
        ({"expression": "every day"}, "does not have five fields"),
        ({"time_zone": "Europe/Atlantis"}, "Europe/Atlantis"),
        ({"tag": "x" * 10_000}, "10,000 characters"),
        ({"type": "dance"}, "known: "),
        ({"data": {"week": 46}}, "body.data.week"),
        ({"missed": "catch_up"}, "choose overlap 'queue'"),
    ],
)
def test_what_cannot_be_a_schedule_is_a_problem(
    rose: httpx.Client, change: dict[str, Any], says: str
) -> None:
    address = make(rose, tag="there")
    new = rose.post("/api/job-schedules", json={**WEEKLY, **change})
    changes = {name: value for name, value in change.items() if name not in ("tag", "type")}
    answers = [new, rose.patch(address, json=changes)] if changes else [new]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
        assert says in answer.json()["detail"]


def test_an_owner_has_one_schedule_of_a_tag(rose: httpx.Client, otto: httpx.Client) -> None:
    make(rose)
    make(otto)
    assert rose.post("/api/job-schedules", json=WEEKLY).status_code == 422


def test_another_owners_schedule_is_answered_like_one_that_is_not_there(
    rose: httpx.Client, otto: httpx.Client
) -> None:
    address = make(rose)
    foreign = [
        otto.get(address),
        otto.patch(address, json={}),
        otto.delete(address),
        otto.post(f"{address}/pause"),
    ]
    assert [answer.status_code for answer in foreign] == [404] * 4
    assert otto.get("/api/job-schedules").json() == {"schedules": []}
    assert rose.get(address).status_code == 200


def test_who_reads_changes_no_schedule(door: Door, rose: httpx.Client) -> None:
    address, reader = make(rose), door.client("read")
    assert reader.get(address).status_code == 200
    for answer in (
        reader.post("/api/job-schedules", json=WEEKLY),
        reader.post(f"{address}/pause"),
        reader.delete(address),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_schedules_of_the_system_are_for_operators(door: Door, rose: httpx.Client) -> None:
    nightly = {"type": "clean_up", "tag": "nightly", "expression": "@daily"}
    assert rose.post("/api/job-schedules", json=nightly).status_code == 403
    address = door.operator().post("/api/job-schedules", json=nightly).headers["Location"]
    assert rose.get(address).status_code == 404
    assert door.operator().post(f"{address}/pause").json()["paused"]
