"""Endpoints over HTTP: managed by those who may, tried out, and what was sent to them."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from keepsake.database import open_pool
from keepsake.job_types import REGISTRY
from keepsake.jobs.worker import Worker
from tests.api.conftest import Door, open_door
from tests.databases import Copies
from tests.given import given_record
from tests.jobs.greetings import until
from tests.webhooks.conftest import Receiver, verified

ENDPOINTS = "/api/webhook-endpoints"


@pytest.fixture(scope="module")
def _door(_copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    home = tmp_path_factory.mktemp("home")
    with _copies.one() as url, open_door(url, home, web_allow="127.0.0.1") as door:
        yield door


@pytest.fixture
def door(_door: Door) -> Door:
    """A server that has no endpoints and no jobs."""
    _door.db.execute("DELETE FROM webhook_endpoints")
    _door.db.execute("DELETE FROM jobs")
    return _door


@pytest.fixture
def rose(door: Door) -> httpx.Client:
    return door.client()


@pytest.fixture
def url(_served: tuple[Receiver, str]) -> str:
    _served[0].seen.clear()
    return f"{_served[1]}/hook"


@pytest.fixture
def receiver(_served: tuple[Receiver, str], url: str) -> Receiver:
    return _served[0]


def added(client: httpx.Client, url: str, **more: Any) -> tuple[int, str]:
    """The id and the secret of an endpoint."""
    answer = client.post(ENDPOINTS, json={"url": url, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()["endpoint"]["id"], answer.json()["secret"]


def happen(door: Door) -> int:
    """Something that is told: a record of the Marlows; its id."""
    name = datetime.now(UTC).isoformat()
    return given_record(
        door.db, line="family", owner_id=door.marlows.id, external_id=name
    ).record_id


def send_all(door: Door) -> None:
    """Have a worker make an attempt at every message that is due."""

    async def work() -> None:
        worker = Worker(door.settings.database_url, REGISTRY, door.settings)
        running = asyncio.create_task(worker.run())
        async with open_pool(door.settings.database_url) as pool:
            await until(
                pool, "SELECT NOT EXISTS (SELECT FROM jobs WHERE status = 'running'"
                " OR status = 'pending' AND due_at <= now())",
            )  # fmt: skip
        worker.stop()
        await running

    asyncio.run(work())


def test_an_endpoint_is_added_shown_changed_and_removed(rose: httpx.Client, url: str) -> None:
    endpoint, secret = added(rose, url, events=["record.added"], description="Our site")
    assert secret.startswith("whsec_")
    shown = rose.get(f"{ENDPOINTS}/{endpoint}")
    assert (shown.json()["events"], shown.json()["disabled_at"]) == (["record.added"], None)
    assert secret not in rose.get(ENDPOINTS).text + shown.text
    changed = rose.patch(f"{ENDPOINTS}/{endpoint}", json={"events": [], "enabled": False}).json()
    assert (changed["events"], changed["disabled_reason"]) == ([], "by_hand")
    assert changed["description"] == "Our site"
    assert rose.patch(f"{ENDPOINTS}/{endpoint}", json={"enabled": True}).json()["url"] == url
    assert rose.delete(f"{ENDPOINTS}/{endpoint}").json()["id"] == endpoint
    assert rose.get(f"{ENDPOINTS}/{endpoint}").status_code == 404


def test_a_secret_is_not_read_back_by_the_role_of_the_api(
    rose: httpx.Client, url: str, door: Door
) -> None:
    _, secret = added(rose, url)
    assert door.db.execute("SELECT secret FROM webhook_secrets").fetchone() == (secret,)
    granted = door.db.execute(
        "SELECT has_column_privilege('keepsake_api', 'webhook_secrets', 'secret', 'SELECT')"
    ).fetchone()
    assert granted == (False,)


def test_a_ping_is_delivered_and_listed_with_its_answer(
    door: Door, rose: httpx.Client, url: str, receiver: Receiver
) -> None:
    endpoint, secret = added(rose, url)
    job = rose.post(f"{ENDPOINTS}/{endpoint}/ping").raise_for_status().json()["job_id"]
    send_all(door)
    [seen] = receiver.seen
    assert verified(seen, secret)["type"] == "webhook.ping"
    [delivery] = rose.get(f"{ENDPOINTS}/{endpoint}/deliveries").json()["deliveries"]
    assert delivery["message_id"] == seen.headers["webhook-id"]
    assert (delivery["status"], delivery["http_status"], delivery["attempts"]) == (
        "succeeded", 204, 1,
    )  # fmt: skip
    [attempt] = rose.get(f"{ENDPOINTS}/{endpoint}/deliveries/{job}").json()["attempts"]
    assert (attempt["outcome"], attempt["http_status"]) == ("succeeded", 204)
    assert 0 < attempt["seconds"] < 10


def test_what_was_not_taken_is_replayed_under_the_same_id(
    door: Door, rose: httpx.Client, url: str, receiver: Receiver
) -> None:
    endpoint, _ = added(rose, url, events=["record.added"])
    happen(door)
    receiver.next(Response(status_code=410))
    happen(door)
    send_all(door)
    failed = rose.get(f"{ENDPOINTS}/{endpoint}/deliveries?status=failed").json()["deliveries"]
    assert len(failed) == 2
    replay = f"{ENDPOINTS}/{endpoint}/replay"
    assert "is disabled: enable it first" in rose.post(replay, json={}).json()["detail"]
    rose.patch(f"{ENDPOINTS}/{endpoint}", json={"enabled": True})
    assert rose.post(replay, json={}).json() == {"replayed": 2}
    assert rose.post(replay, json={}).json() == {"replayed": 0}  # they wait
    receiver.seen.clear()
    send_all(door)
    assert {seen.headers["webhook-id"] for seen in receiver.seen} == {
        each["message_id"] for each in failed
    }
    assert rose.post(replay, json={}).json() == {"replayed": 0}  # they were taken
    assert rose.post(replay, json={"taken_too": True}).json() == {"replayed": 2}


def test_one_message_or_those_since_a_time_are_replayed(
    door: Door, rose: httpx.Client, url: str
) -> None:
    endpoint, _ = added(rose, url)
    happen(door), happen(door)
    send_all(door)
    listed = rose.get(f"{ENDPOINTS}/{endpoint}/deliveries").json()["deliveries"]
    replay = f"{ENDPOINTS}/{endpoint}/replay"
    one = {"message_id": listed[0]["message_id"]}
    assert rose.post(replay, json=one).json() == {"replayed": 1}
    assert "it still waits" in rose.post(replay, json=one).json()["detail"]
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    since = {"since": later, "taken_too": True}
    assert rose.post(replay, json=since).json() == {"replayed": 0}


def test_deliveries_are_read_page_by_page(door: Door, rose: httpx.Client, url: str) -> None:
    endpoint, _ = added(rose, url)
    other, _ = added(rose, url, events=["job.failed"])
    for _ in range(5):
        happen(door)
    path, seen = f"{ENDPOINTS}/{endpoint}/deliveries?limit=2", []
    while path:
        answer = rose.get(path)
        seen += [each["job_id"] for each in answer.json()["deliveries"]]
        path = answer.links["next"]["url"] if answer.json()["next"] else ""
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 5
    cursor = rose.get(f"{ENDPOINTS}/{endpoint}/deliveries?limit=2").json()["next"]
    foreign = rose.get(f"{ENDPOINTS}/{other}/deliveries", params={"cursor": cursor})
    assert (foreign.status_code, foreign.json()["code"]) == (422, "invalid_input")


def test_a_secret_is_rotated_and_both_sign_for_a_while(rose: httpx.Client, url: str) -> None:
    endpoint, secret = added(rose, url)
    rotated = rose.post(f"{ENDPOINTS}/{endpoint}/rotate").json()
    assert rotated["secret"] not in ("", secret)
    until = datetime.fromisoformat(rotated["endpoint"]["previous_signs_until"])
    assert timedelta(hours=23) < until - datetime.now(UTC) < timedelta(hours=25)
    at_once = rose.post(f"{ENDPOINTS}/{endpoint}/rotate", json={"overlap_hours": 0}).json()
    assert at_once["endpoint"]["previous_signs_until"] is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"url": "ftp://example.com"}, "http: or https:"),
        ({"url": "nowhere"}, "http: or https:"),
        ({"url": "https://me:secret@example.com"}, "user name or a password"),
        ({"url": "http://10.0.0.1/"}, "private or reserved"),
        ({"url": "http://[::1]:5432"}, "private or reserved"),
        ({"url": "http://[::ffff:169.254.169.254]/"}, "private or reserved"),
        ({"url": "https://example.com/" + "a" * 2000}, "2000"),
        ({"url": "https://example.com", "events": ["story.told"]}, "events"),
        ({"url": "https://example.com", "mode": "loud"}, "mode"),
        ({"url": "https://example.com", "secret": "mine"}, "secret"),
    ],
    ids=["ftp", "none", "password", "private", "six", "mapped", "long", "event", "mode", "more"],
)
def test_what_is_no_endpoint_is_refused(door: Door, body: dict[str, Any], said: str) -> None:
    answer = door.client().post(ENDPOINTS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert said in answer.text
    assert "me:secret" not in answer.text


def test_an_owner_has_so_many_endpoints_and_no_more(rose: httpx.Client, url: str) -> None:
    for _ in range(10):
        added(rose, url)
    answer = rose.post(ENDPOINTS, json={"url": url})
    assert (answer.status_code, "10 endpoints already" in answer.text) == (422, True)


def test_who_may_not_manage_an_owner_learns_nothing_of_its_endpoints(
    door: Door, rose: httpx.Client, url: str
) -> None:
    endpoint, _ = added(rose, url)
    reader = door.client("read", "ingest", "edit")
    assert reader.get(ENDPOINTS).status_code == 403
    otto = door.client(owner="the-others")
    assert otto.get(ENDPOINTS).json() == {"endpoints": []}
    there, not_there = (otto.get(f"{ENDPOINTS}/{id}") for id in (endpoint, endpoint + 999))
    assert there.status_code == not_there.status_code == 404
    assert there.text.replace(str(endpoint), "") == not_there.text.replace(str(endpoint + 999), "")


def test_what_is_done_to_endpoints_is_in_the_audit_log(
    door: Door, rose: httpx.Client, url: str
) -> None:
    endpoint, _ = added(rose, url)
    rose.post(f"{ENDPOINTS}/{endpoint}/rotate")
    rose.delete(f"{ENDPOINTS}/{endpoint}")
    actions = door.db.execute(
        "SELECT action FROM audit_log WHERE detail = %s ORDER BY id", (f"endpoint {endpoint}",)
    ).fetchall()
    assert actions == [("webhook.add",), ("webhook.rotate",), ("webhook.remove",)]
