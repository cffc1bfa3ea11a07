"""Figures over HTTP: an owner's own, and those of the whole system for its operators."""

from datetime import UTC, datetime

import httpx
import pytest

from keepsake.monitoring.insights import LONGEST_HOURS
from tests.api.conftest import Door
from tests.given import given_record
from tests.monitoring.given import (
    given_counting_since,
    given_owner_counts,
    given_totals,
    records_ended,
)

NAMES = ("dashboard", "performance", "errors", "queue", "resources")


@pytest.fixture
def counted(door: Door) -> Door:
    """Three of the Marlows' records have ended, and four of all owners'."""
    given_counting_since(door.db, datetime(2024, 1, 1, tzinfo=UTC))
    now = datetime.now(UTC)
    bucket = now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)
    given_owner_counts(door.db, door.marlows.id, bucket, records_ended("completed", 3))
    given_totals(door.db, records_ended("completed", 4))
    return door


def fail(door: Door, owner_id: int, error_type: str) -> int:
    record = given_record(
        door.db, line="bookmarks", owner_id=owner_id, external_id=error_type
    ).record_id
    door.db.execute(
        "UPDATE ledger SET status = 'failed', due_at = NULL, finished_at = now(), error_type = %s,"
        " error_message = 'the site answers 404' WHERE record_id = %s AND step = 'pages'",
        (error_type, record),
    )
    return record


def test_an_owner_sees_its_own_figures_and_operators_those_of_all(counted: Door) -> None:
    of = {}
    for name, client in (
        ("rose", counted.client("read")),
        ("otto", counted.client("read", owner="the-others")),
        ("operator", counted.operator()),
    ):
        answer = client.get("/api/monitoring/dashboard")
        assert answer.status_code == 200, answer.text
        of[name] = answer.json()["today"]["total"]
    assert of == {"rose": 3, "otto": 0, "operator": 4}


def test_operators_may_ask_for_one_owner(counted: Door) -> None:
    answer = counted.operator().get("/api/monitoring/dashboard?owner=the-marlows")
    assert answer.json()["today"]["completed"] == 3


def test_rates_and_averages_over_nothing_are_null(door: Door, otto: httpx.Client) -> None:
    today = otto.get("/api/monitoring/dashboard").json()["today"]
    assert (today["total"], today["success_rate"], today["average_seconds"]) == (0, None, None)


@pytest.mark.parametrize("name", NAMES)
def test_figures_of_another_owner_are_not_there(door: Door, otto: httpx.Client, name: str) -> None:
    theirs = otto.get(f"/api/monitoring/{name}?owner=the-marlows")
    nobodys = otto.get(f"/api/monitoring/{name}?owner=the-marlowz")
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.text == nobodys.text.replace("marlowz", "marlows")


def test_what_failed_is_seen_by_its_owner_alone(
    door: Door, rose: httpx.Client, otto: httpx.Client
) -> None:
    record = fail(door, door.marlows.id, "PermanentError")
    (failed,) = rose.get("/api/monitoring/errors").json()["failed"]
    assert (failed["record_id"], failed["step"], failed["owner"]) == (record, "pages", None)
    assert otto.get("/api/monitoring/errors").json()["failed"] == []
    (of_all,) = door.operator().get("/api/monitoring/errors").json()["failed"]
    assert of_all["owner"] == "the-marlows"


def test_a_group_of_errors_is_retried_and_the_others_stay(door: Door, rose: httpx.Client) -> None:
    fail(door, door.marlows.id, "PermanentError")
    fail(door, door.marlows.id, "RetryableError")
    groups = rose.get("/api/monitoring/errors").json()["groups"]
    group = next(group for group in groups if group["error_type"] == "RetryableError")
    asked = {name: group[name] for name in ("line", "step", "error_type")}
    assert rose.post("/api/retry", json=asked).json() == {"records": group["records"]}
    left = rose.get("/api/monitoring/errors").json()["groups"]
    assert [group["error_type"] for group in left] == ["PermanentError"]


def test_the_list_is_as_long_as_asked(door: Door, rose: httpx.Client) -> None:
    for name in ("A", "B", "C"):
        fail(door, door.marlows.id, name)
    assert len(rose.get("/api/monitoring/errors?limit=2").json()["failed"]) == 2


@pytest.mark.parametrize("query", ["errors?limit=0", f"performance?hours={LONGEST_HOURS + 1}"])
def test_what_is_beyond_the_bounds_is_refused(rose: httpx.Client, query: str) -> None:
    assert rose.get(f"/api/monitoring/{query}").status_code == 422


def test_the_queue_names_steps_and_jobs(door: Door, rose: httpx.Client) -> None:
    given_record(door.db, line="bookmarks", owner_id=door.marlows.id, external_id="1")
    door.db.execute(
        "INSERT INTO jobs (owner_id, type, executor) VALUES (%s, 'make_export', 'internal')",
        (door.marlows.id,),
    )
    found = rose.get("/api/monitoring/queue").json()
    (line,) = found["lines"]
    assert line["line"] == "bookmarks"
    assert {"step": "pages", "due": 1} in line["steps"]
    assert found["depth"] == line["depth"] == sum(step["due"] for step in line["steps"])
    (jobs,) = found["jobs"]
    assert (jobs["type"], jobs["pending"], jobs["running"]) == ("make_export", 1, 0)


def test_the_size_of_the_database_is_for_operators(door: Door, rose: httpx.Client) -> None:
    assert rose.get("/api/monitoring/resources").json()["database_bytes"] is None
    assert door.operator().get("/api/monitoring/resources").json()["database_bytes"] > 0
