"""Batches and owners: what came in together, what an owner keeps, and how far it is."""

import httpx
import pytest

from keepsake.records.batches import start_batch
from tests.api.conftest import Door
from tests.given import given_record, on_connection


@pytest.fixture
def batches(door: Door) -> list[int]:
    """Three batches of the Marlows, the last with a record of which a step has failed."""
    owner = door.marlows.id
    ids = [
        on_connection(door.db, start_batch, owner, "bookmarks", f"{name}.html") for name in "abc"
    ]
    record = given_record(door.db, line="bookmarks", owner_id=owner, external_id="a").record_id
    door.db.execute("UPDATE records SET batch_id = %s WHERE id = %s", (ids[-1], record))
    door.db.execute("UPDATE ledger SET status = 'failed', due_at = NULL WHERE step = 'pages'")
    return ids


def test_batches_are_listed_page_by_page(rose: httpx.Client, batches: list[int]) -> None:
    first = rose.get("/api/batches?limit=2")
    assert [batch["id"] for batch in first.json()["batches"]] == [batches[2], batches[1]]
    second = rose.get(first.links["next"]["url"]).json()
    assert ([batch["name"] for batch in second["batches"]], second["next"]) == (["a.html"], None)


def test_a_batch_says_how_far_its_records_are(rose: httpx.Client, batches: list[int]) -> None:
    batch = rose.get(f"/api/batches/{batches[-1]}").json()
    steps = {step["step"]: step for step in batch["progress"]["steps"]}
    assert (steps["pages"]["failed"], steps["summaries"]["waiting"]) == (1, 0)
    assert rose.get(f"/api/batches/{batches[0]}").json()["progress"]["steps"] == []


def test_a_batch_of_another_owner_is_not_there(
    rose: httpx.Client, otto: httpx.Client, batches: list[int]
) -> None:
    assert otto.get("/api/batches").json()["batches"] == []
    foreign, absent = otto.get(f"/api/batches/{batches[0]}"), otto.get("/api/batches/999")
    assert foreign.status_code == absent.status_code == 404
    cursor = rose.get("/api/batches?limit=1").json()["next"]
    assert otto.get(f"/api/batches?cursor={cursor}").status_code == 422
    assert rose.get(f"/api/records?cursor={cursor}").status_code == 422


def test_an_owner_says_what_it_keeps_and_how_far_it_is(
    rose: httpx.Client, batches: list[int]
) -> None:
    owner = rose.get("/api/owners/the-marlows").json()
    assert (owner["name"], owner["tier"], owner["records"]) == (
        "The Marlows", "free", {"bookmarks": 1},
    )  # fmt: skip
    assert {step["step"] for step in owner["progress"]["steps"]} >= {"pages", "summaries"}


def test_owners_are_listed_to_who_may_read_them(door: Door, rose: httpx.Client) -> None:
    assert [owner["slug"] for owner in rose.get("/api/owners").json()["owners"]] == ["the-marlows"]
    all_ = door.operator().get("/api/owners").json()["owners"]
    assert [owner["slug"] for owner in all_] == ["the-marlows", "the-others"]
    assert door.client("ingest").get("/api/owners").json()["owners"] == []
    assert rose.get("/api/owners/the-others").status_code == 404


def test_a_name_that_no_owner_can_have_is_not_there(door: Door) -> None:
    operator = door.operator()
    for address in ("/api/owners/%00", "/api/owners/%00/events", "/api/records?owner=%00"):
        assert operator.get(address).status_code == 404
