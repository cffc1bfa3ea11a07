"""Searching over HTTP."""

import json

import httpx
import pytest

from keepsake.settings.embedding_models import USE
from tests.api.conftest import Door

SANG = "We sang on the way home."


@pytest.fixture
def said(door: Door, rose: httpx.Client) -> int:
    """A record of the Marlows with one passage, said at second 3.5."""
    body = {"url": "https://example.org/songs", "title": "Songs", "tags": ["music"]}
    record_id = int(rose.post("/api/bookmarks", json=body).json()["id"])
    door.db.execute(
        "INSERT INTO passages (record_id, position, owner_id, text, starts_at, ends_at, model,"
        " dimensions, embedding) SELECT id, 0, owner_id, %s, 3.5, 5, %s, 512,"
        " array_fill(0.1, ARRAY[512])::halfvec FROM records WHERE id = %s",
        (SANG, USE, record_id),
    )
    door.db.execute("UPDATE ledger SET status = 'succeeded', due_at = NULL")
    return record_id


def test_a_hit_says_what_is_said_where_and_marks_the_words(rose: httpx.Client, said: int) -> None:
    (hit,) = rose.get("/api/search", params={"q": "sang"}).json()["hits"]
    assert (hit["record_id"], hit["line"], hit["title"]) == (said, "bookmarks", "Songs")
    assert (hit["kind"], hit["text"], hit["starts_at"]) == ("passage", SANG, 3.5)
    assert [hit["text"][start:end] for start, end in hit["marks"]] == ["sang"]


def test_another_owner_finds_nothing_of_it(otto: httpx.Client, said: int) -> None:
    answer = otto.get("/api/search", params={"q": "sang"})
    assert (answer.status_code, answer.json()["hits"]) == (200, [])
    assert otto.get("/api/search", params={"q": "sang", "owner": "the-marlows"}).status_code == 404


@pytest.mark.parametrize(
    ("name", "matching", "other"),
    [
        ("line", "bookmarks", "family"),
        ("tag", "music", "sea"),
        ("from", "2020-01-01", "2100-01-01"),
        ("to", "9999-12-31", "2020-01-01"),
        ("kind", "page", "story"),
    ],
)
def test_filters_leave_out_what_does_not_match(
    rose: httpx.Client, said: int, name: str, matching: str, other: str
) -> None:
    found = [
        rose.get("/api/search", params={"q": "songs or sang", name: value}).json()["hits"]
        for value in (matching, other)
    ]
    assert [len(hits) for hits in found] == [1, 0]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"q": ""},
        {"q": " "},
        {"q": "\0"},
        {"q": "x" * 1001},
        {"q": "sang", "limit": 0},
        {"q": "sang", "from": "yesterday"},
        {"q": "sang", "from": "2026-01-02", "to": "2026-01-01"},
        {"q": "sang", "kind": "song"},
        {"q": "sang", "line": "letters"},
        {"q": "sang", "person": "\0"},
    ],
    ids=str,
)
def test_what_cannot_be_searched_for_is_a_clear_problem(
    rose: httpx.Client, params: dict[str, str | int]
) -> None:
    answer = rose.get("/api/search", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_without_a_model_it_says_so_and_with_one_again_it_searches_by_meaning(
    door: Door, rose: httpx.Client, said: int, models_url: str
) -> None:
    """The model is started, at an address of its own, while the API runs."""
    without = rose.get("/api/search", params={"q": "sang"}).json()
    assert "by words alone" in without["degraded"]
    assert without["hits"][0]["similarity"] is None
    door.settings.state_file.write_text(json.dumps({"models_url": models_url}))
    again = rose.get("/api/search", params={"q": "sang"}).json()
    assert again["degraded"] is None
    assert again["hits"][0]["similarity"] is not None
