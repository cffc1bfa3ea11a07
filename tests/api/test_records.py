"""A record is read with all that was made of it, and records are listed page by page."""

from typing import Any

import httpx
import pytest

from keepsake.search import record_pages
from tests.api.conftest import Door

TIDES = {"url": "https://example.org/tides", "content": "The sea rises.", "tags": ["sea"]}


def add(client: httpx.Client, number: int = 0, **more: Any) -> int:
    new = {**TIDES, "url": f"https://example.org/{number}", **more}
    return int(client.post("/api/bookmarks", json=new).json()["id"])


# -- one record -----------------------------------------------------------------------------------


def test_a_record_says_what_each_step_waits_for(rose: httpx.Client) -> None:
    record = rose.get(f"/api/records/{add(rose)}").json()
    steps = {step["step"]: step for step in record["steps"]}
    assert (record["status"], record["title"]) == ("PENDING", "https://example.org/0")
    assert steps["pages"]["why"] == "not made yet"
    assert steps["pages"]["reason"].startswith("due")
    assert record["results"]["tags"] == [{"tag": "sea", "source": "human"}]
    assert record["results"]["line"] == "bookmarks"


def test_a_record_is_not_sent_again_while_it_is_the_same(door: Door, rose: httpx.Client) -> None:
    address = f"/api/records/{add(rose)}"
    tag = rose.get(address).headers["ETag"]
    again = rose.get(address, headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content) == (304, b"")
    door.db.execute("UPDATE ledger SET status = 'running' WHERE step = 'pages'")
    assert rose.get(address, headers={"If-None-Match": tag}).status_code == 200


# -- lists ----------------------------------------------------------------------------------------


def test_pages_follow_each_other_to_the_last(rose: httpx.Client, otto: httpx.Client) -> None:
    ids = [add(rose, n, recorded_at=f"2026-05-0{n + 1}T12:00:00Z") for n in range(5)]
    add(otto)
    pages, address = [], "/api/records?limit=2"
    while address:
        answer = rose.get(address)
        pages.append([record["id"] for record in answer.json()["records"]])
        address = answer.links.get("next", {}).get("url", "")
    assert pages == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]


def test_records_of_one_moment_are_each_on_one_page(rose: httpx.Client) -> None:
    ids = {add(rose, n, recorded_at="2026-05-01T12:00:00Z") for n in range(4)}
    first = rose.get("/api/records?limit=3").json()
    second = rose.get(f"/api/records?cursor={first['next']}").json()
    assert {record["id"] for record in first["records"] + second["records"]} == ids
    assert second["next"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("line=bookmarks", [2, 1, 0]),
        ("line=family", []),
        ("status=PENDING", [2, 0]),
        ("status=FAILED", [1]),
        ("status=COMPLETED", []),
        ("tag=SHORE", [1]),
        ("text=exam tid", [2]),
        ("from=2026-05-02", [2, 1]),
        ("to=2026-05-02", [1, 0]),
        ("priority=urgent", [0]),
        ("batch=7", []),
    ],
)
def test_a_filter_holds(door: Door, rose: httpx.Client, query: str, found: list[int]) -> None:
    ids = [
        add(rose, 0, recorded_at="2026-05-01T12:00:00Z", priority="urgent"),
        add(rose, 1, recorded_at="2026-05-02T23:59:59Z", tags=["shore"]),
        add(rose, 2, recorded_at="2026-05-03T12:00:00Z", url="https://example.org/tides"),
    ]
    door.db.execute(
        "UPDATE ledger SET status = 'failed', due_at = NULL, error_message = 'no answer'"
        " WHERE record_id = %s",
        (ids[1],),
    )
    records = rose.get(f"/api/records?{query}").json()["records"]
    assert [ids.index(record["id"]) for record in records] == found


def test_the_cursor_has_the_filters_inside(rose: httpx.Client) -> None:
    ids = [add(rose, n, tags=["sea"] if n % 2 else []) for n in range(4)]
    first = rose.get("/api/records?tag=sea&limit=1").json()
    second = rose.get(f"/api/records?cursor={first['next']}").json()
    assert [record["id"] for record in second["records"]] == [ids[1]]
    both = rose.get(f"/api/records?cursor={first['next']}&tag=sea")
    assert (both.status_code, both.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize("cursor", ["x", "e30", "é", "W10", "A" * 3000, ""])
def test_a_cursor_that_was_made_up_is_refused(rose: httpx.Client, cursor: str) -> None:
    answer = rose.get("/api/records", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_a_cursor_of_another_owner_is_refused(rose: httpx.Client, otto: httpx.Client) -> None:
    for number in range(2):
        add(rose, number)
    cursor = rose.get("/api/records?limit=1").json()["next"]
    assert otto.get(f"/api/records?cursor={cursor}").status_code == 422


@pytest.mark.parametrize(
    "query",
    ["line=none", "status=done", "from=soon", "limit=0", "limit=1000", "text=!", "batch=-1",
     "from=2026-05-02&to=2026-05-01", "text=%00", "tag=%00",
     "unknown=1"],
)  # fmt: skip
def test_a_filter_that_is_none_is_refused(rose: httpx.Client, query: str) -> None:
    answer = rose.get(f"/api/records?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_a_list_of_a_status_is_read_to_its_end_in_short_walks(
    door: Door, rose: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_pages, "WALK", 2)
    monkeypatch.setattr(record_pages, "FEW", 0)  # as if there were many
    ids = [add(rose, n, recorded_at=f"2026-05-0{n + 1}T12:00:00Z") for n in range(6)]
    door.db.execute(
        "UPDATE ledger SET status = 'failed', due_at = NULL WHERE record_id = ANY(%s)",
        ([ids[0], ids[1]],),
    )
    pages, address = [], "/api/records?status=FAILED&limit=1"
    while address:
        answer = rose.get(address)
        pages.append([record["id"] for record in answer.json()["records"]])
        address = answer.links.get("next", {}).get("url", "")
    assert [page for page in pages if page] == [[ids[1]], [ids[0]]]
    assert len(pages) > 2  # some looked at records of another status alone
