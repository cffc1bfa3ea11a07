"""A record comes in, is seen by its owner, and by nobody else."""

import httpx
import pytest

from tests.api.conftest import Door

TIDES = {"url": "https://example.org/tides", "platform": "web", "content": "The sea rises."}


def test_a_bookmark_comes_in_and_is_read_back(rose: httpx.Client) -> None:
    added = rose.post("/api/bookmarks", json=TIDES)
    assert added.status_code == 201
    record = rose.get(added.headers["Location"])
    assert record.json()["line"] == "bookmarks"
    assert record.json()["owner"] == "the-marlows"
    assert {step["step"] for step in record.json()["steps"]} >= {"pages", "summaries"}


def test_the_same_bookmark_twice_is_one_record(rose: httpx.Client) -> None:
    first, second = rose.post("/api/bookmarks", json=TIDES), rose.post("/api/bookmarks", json=TIDES)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == {"id": first.json()["id"], "status": "PENDING", "created": False}


def test_a_record_of_another_owner_is_answered_like_one_that_is_not_there(
    rose: httpx.Client, otto: httpx.Client
) -> None:
    record = rose.post("/api/bookmarks", json=TIDES).json()["id"]
    foreign, absent = otto.get(f"/api/records/{record}"), otto.get("/api/records/999")
    assert foreign.status_code == absent.status_code == 404
    assert foreign.text.replace(f"record {record}", "record 999") == absent.text


def test_without_a_token_nothing_is_read(nobody: httpx.Client) -> None:
    answer = nobody.get("/api/records/1")
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Bearer" in answer.headers["WWW-Authenticate"]


def test_a_token_does_what_its_scopes_say(door: Door) -> None:
    reader = door.client("read")
    answer = reader.post("/api/bookmarks", json=TIDES)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_an_owner_that_the_token_is_not_for_is_not_there(rose: httpx.Client) -> None:
    answer = rose.post("/api/bookmarks?owner=the-others", json=TIDES)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "malformed_request"),
        ("[" * 1_000_000, 400, "malformed_request"),
        ("{}", 422, "invalid_input"),
        ('{"url": "https://example.org/\\u0000"}', 422, "invalid_input"),
        ('{"url": "https://example.org", "content": "a\\u0000b"}', 422, "invalid_input"),
        ('{"url": "' + "x" * 3_000_000 + '"}', 413, "too_large"),
    ],
    ids=["cut off", "nested", "empty", "NUL in address", "NUL in text", "too large"],
)
def test_a_bad_body_is_a_clear_problem_and_stores_nothing(
    door: Door, rose: httpx.Client, body: str, status: int, code: str
) -> None:
    answer = rose.post("/api/bookmarks", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert door.db.execute("SELECT count(*) FROM records").fetchone() == (0,)


def test_the_document_describes_the_problems(nobody: httpx.Client) -> None:
    document = nobody.get("/openapi.json").json()
    answers = document["paths"]["/api/bookmarks"]["post"]["responses"]
    assert "application/problem+json" in answers["default"]["content"]
    assert nobody.get("/docs").status_code == 200
