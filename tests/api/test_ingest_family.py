"""Families, members, prompts and written responses come in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.api.conftest import Door

LIGHTHOUSE = {"member": "Rose", "text": "When I was six we moved to the lighthouse."}


def count(door: Door, table: str = "records") -> int:
    row = door.db.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0


def test_a_family_is_made_with_a_member_and_a_story(door: Door) -> None:
    operator = door.operator()
    made = operator.post("/api/families", json={"name": "The Halls", "language": "de"})
    assert made.status_code == 201
    assert made.json()["slug"] == "the-halls"
    assert operator.get(made.headers["Location"]).json() == made.json()
    hall = {"owner": "the-halls"}
    member = operator.post("/api/members", params=hall, json={"name": "Ida"})
    assert operator.get("/api/members", params=hall).json() == [member.json()]
    said = operator.post("/api/responses", params=hall, json={**LIGHTHOUSE, "member": "ida"})
    assert said.status_code == 201
    assert operator.get(said.headers["Location"]).json()["owner"] == "the-halls"


def test_a_member_of_a_family_makes_no_families(rose: httpx.Client) -> None:
    assert rose.post("/api/families", json={"name": "The Halls"}).status_code == 403


def test_each_sees_their_own_family(door: Door, rose: httpx.Client) -> None:
    assert [family["slug"] for family in rose.get("/api/families").json()] == ["the-marlows"]
    assert len(door.operator().get("/api/families").json()) == 2
    assert [member["name"] for member in rose.get("/api/members").json()] == ["Rose"]


def test_a_written_response_comes_in_once(door: Door, rose: httpx.Client) -> None:
    first, again = (rose.post("/api/responses", json=LIGHTHOUSE) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == {"id": first.json()["id"], "status": "PENDING", "created": True}
    assert again.json() == {**first.json(), "created": False}
    assert count(door) == 1


def test_a_duplicate_is_answered_with_the_status_that_it_has(
    door: Door, rose: httpx.Client
) -> None:
    rose.post("/api/responses", json=LIGHTHOUSE)
    door.db.execute("UPDATE ledger SET status = 'succeeded', due_at = NULL")
    assert rose.post("/api/responses", json=LIGHTHOUSE).json()["status"] == "COMPLETED"


def test_an_own_id_stands_for_one_response(rose: httpx.Client) -> None:
    first = rose.post("/api/responses", json={**LIGHTHOUSE, "external_id": "a"})
    other = rose.post("/api/responses", json={**LIGHTHOUSE, "external_id": "b"})
    again = rose.post("/api/responses", json={**LIGHTHOUSE, "external_id": "a", "text": "Other."})
    assert first.json()["id"] == again.json()["id"] != other.json()["id"]


def test_a_prompt_is_asked_by_hand_and_answered(rose: httpx.Client) -> None:
    question = {"question": "Where did you  learn to swim?"}
    prompt = rose.post("/api/interview-prompts", json=question).json()
    said = rose.post("/api/responses", json={**LIGHTHOUSE, "prompt_id": prompt["id"]})
    assert rose.get("/api/interview-prompts").json() == [
        {
            "id": prompt["id"],
            "week": None,
            "question": "Where did you learn to swim?",
            "answered_by": [said.json()["id"]],
        }
    ]
    assert rose.get("/api/interview-prompts", params={"week": "this"}).json() == []
    assert rose.post("/api/interview-prompts", json=question).status_code == 422


TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"member": "Otto"}, "known: Rose"),
        ({"prompt_id": 99}, "no interview prompt 99"),
        ({"text": "a\u0000b"}, "NUL"),
        ({"text": " .. "}, "not one letter"),
        ({"text": "x" * 200_001}, "at most 200,000"),
        ({"text": None}, "text"),
        ({"recorded_at": TOMORROW}, "in the future"),
        ({"recorded_at": "2026-05-04T12:00:00"}, "no time zone"),
        ({"recorded_at": "1820-05-04T12:00:00Z"}, "the first day that is kept"),
        ({"priority": "soon"}, "priority"),
        ({"external_id": "a\u0000b"}, "NUL"),
        ({"prompt_id": 2**70}, "prompt_id"),
    ],
)
def test_a_response_that_cannot_be_kept_is_told_why(
    door: Door, rose: httpx.Client, wrong: dict[str, Any], said: str
) -> None:
    answer = rose.post("/api/responses", json={**LIGHTHOUSE, **wrong})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert said in answer.json()["detail"]
    assert count(door) == 0


def test_known_names_are_those_of_the_own_family(otto: httpx.Client) -> None:
    answer = otto.post("/api/responses", json=LIGHTHOUSE)
    assert answer.status_code == 422
    assert "known: Otto)" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_of_another_type_is_refused(rose: httpx.Client, kind: str) -> None:
    answer = rose.post("/api/responses", content=b"{}", headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("body", ["{", "[" * 1_000_000, "\ud800".encode("utf-8", "surrogatepass")])
def test_what_is_no_json_is_told_so(rose: httpx.Client, body: str | bytes) -> None:
    kind = {"Content-Type": "application/json"}
    answer = rose.post("/api/responses", content=body, headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
