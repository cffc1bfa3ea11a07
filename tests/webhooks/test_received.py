"""What others post to us: taken when it is signed, once, and believed no further than to look."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from keepsake.delivery.signatures import new_secret, signed_headers, trigger_signature
from tests.api.conftest import Door, open_door
from tests.databases import Copies

PATH = "/api/webhooks/trigger"
SECRET = new_secret()
RUN = "0d8e7c1a-run"
EVENT = {"type": "run.completed", "data": {"run_id": RUN, "status": "SUCCESS"}}


@pytest.fixture(scope="module")
def _door(_copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    home = tmp_path_factory.mktemp("home")
    with _copies.one() as url, open_door(url, home, webhook_secret=SECRET) as door:
        yield door


@pytest.fixture
def door(_door: Door) -> Door:
    """A server with a job that a run is at, last looked at a minute ago."""
    _door.db.execute("DELETE FROM jobs")
    _door.db.execute("DELETE FROM received_webhooks")
    _door.db.execute(
        "INSERT INTO jobs (type, executor, status, attempt, run_id, last_synced_at)"
        " VALUES ('make_episode', 'dagster', 'running', 1, %s, now() - interval '1 minute')",
        (RUN,),
    )
    return _door


@pytest.fixture
def sender(door: Door) -> httpx.Client:
    """Somebody without a token."""
    client = httpx.Client(base_url=door.url, timeout=20)
    door.clients.append(client)
    return client


def signed(body: bytes, message_id: str = "msg_1", *, ago: float = 0) -> dict[str, str]:
    headers = signed_headers(message_id, body, [SECRET], at=int(time.time() - ago))
    return {**headers, "Content-Type": "application/json"}


def as_trigger(body: bytes) -> dict[str, str]:
    return {"x-trigger-signature-hmacsha256": trigger_signature(body, SECRET)}


def trigger_event(**changes: Any) -> bytes:
    """As Trigger.dev words it."""
    event = {
        "id": "alert_1", "created": datetime.now(UTC).isoformat(), "webhookVersion": "v1",
        "type": "alert.run.failed", "object": {"run": {"id": RUN, "status": "CRASHED"}}, **changes,
    }  # fmt: skip
    return json.dumps(event).encode()


def is_looked_at(door: Door) -> bool:
    row = door.db.execute("SELECT last_synced_at IS NULL, status FROM jobs").fetchone()
    assert row is not None
    assert row[1] == "running"  # whatever the event says
    return bool(row[0])


def test_an_event_of_a_run_has_its_job_looked_at_and_wakes_who_does(
    door: Door, sender: httpx.Client
) -> None:
    door.db.execute("LISTEN keepsake_jobs")
    body = json.dumps(EVENT).encode()
    answer = sender.post(PATH, content=body, headers=signed(body))
    assert answer.json() == {"duplicate": False, "jobs": 1}
    assert is_looked_at(door)
    assert [each.channel for each in door.db.notifies(timeout=5, stop_after=1)] == ["keepsake_jobs"]
    door.db.execute("UNLISTEN *")


def test_a_message_signed_by_a_library_is_taken(door: Door, sender: httpx.Client) -> None:
    body, now = json.dumps(EVENT, indent=2), datetime.now(UTC)
    headers = {
        "webhook-id": "msg_9",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_9", now, body),
    }
    assert sender.post(PATH, content=body, headers=headers).json()["jobs"] == 1


@pytest.mark.parametrize("form", ["standard", "trigger"])
def test_what_had_come_before_does_nothing_again(
    door: Door, sender: httpx.Client, form: str
) -> None:
    body = trigger_event()
    headers = signed(body) if form == "standard" else as_trigger(body)
    assert sender.post(PATH, content=body, headers=headers).json()["duplicate"] is False
    door.db.execute("UPDATE jobs SET last_synced_at = now()")
    again = sender.post(PATH, content=body, headers=headers)
    assert (again.status_code, again.json()) == (200, {"duplicate": True, "jobs": 0})
    assert not is_looked_at(door)


def test_ids_are_kept_for_as_long_as_their_signature_would_be_taken(
    door: Door, sender: httpx.Client
) -> None:
    body = json.dumps(EVENT).encode()
    sender.post(PATH, content=body, headers=signed(body))
    trigger = trigger_event()
    sender.post(PATH, content=trigger, headers=as_trigger(trigger))
    kept: dict[str, timedelta] = dict(
        door.db.execute("SELECT id, kept_until - received_at FROM received_webhooks").fetchall()
    )
    assert kept["msg_1"] > timedelta(minutes=10)
    assert kept["alert_1"] > timedelta(days=7)
    door.db.execute("UPDATE received_webhooks SET kept_until = now()")
    sender.post(PATH, content=body, headers=signed(body, "msg_2"))
    assert door.db.execute("SELECT id FROM received_webhooks").fetchall() == [("msg_2",)]


def test_what_is_not_signed_by_us_is_refused(door: Door, sender: httpx.Client) -> None:
    body = json.dumps(EVENT).encode()
    for content, headers in (
        (body, {}),
        (body + b" ", signed(body)),
        (body, signed_headers("msg_1", body, [new_secret()], at=int(time.time()))),
        (body, signed(body, ago=301)),
        (body, signed(body, ago=-330)),
        (body, as_trigger(body + b" ")),
    ):
        answer = sender.post(PATH, content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert SECRET not in answer.text
    assert not is_looked_at(door)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no JSON"),
        (b"[" * 50_000, "no JSON"),
        (b"[]", "names no run"),
        (b'{"data": {"run_id": 12}}', "names no run"),
        (b'{"data": {"run_id": "\\u0000"}}', "names no run"),
        (json.dumps({"data": {"run_id": "r" * 201}}).encode(), "names no run"),
    ],
    ids=["json", "deep", "list", "number", "nul", "long"],
)
def test_what_is_no_event_of_a_run_is_refused(
    door: Door, sender: httpx.Client, body: bytes, said: str
) -> None:
    answer = sender.post(PATH, content=body, headers=signed(body))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": None}, "no `id`"),
        ({"created": None}, "no `created`"),
        ({"created": "2026-11-01T09:00:00"}, "with a zone"),
        ({"created": "2026-11-01T09:00:00Z"}, "older than 7 days"),
        ({"created": "9999-12-31T23:59:59+00:00"}, "of the future"),
    ],
    ids=["id", "created", "zone", "old", "future"],
)
def test_without_a_signed_time_the_body_says_when_and_which(
    door: Door, sender: httpx.Client, change: dict[str, Any], said: str
) -> None:
    body = trigger_event(**change)
    answer = sender.post(PATH, content=body, headers=as_trigger(body))
    assert (answer.status_code, said in answer.json()["detail"]) == (422, True)


def test_a_long_body_is_not_read(door: Door, sender: httpx.Client) -> None:
    body = b'{"a": "' + b"a" * 64_000 + b'"}'
    answer = sender.post(PATH, content=body, headers=signed(body))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_an_event_of_a_run_of_no_job_is_taken_and_does_nothing(
    door: Door, sender: httpx.Client
) -> None:
    body = json.dumps({"data": {"run_id": "another"}}).encode()
    answer = sender.post(PATH, content=body, headers=signed(body))
    assert answer.json() == {"duplicate": False, "jobs": 0}
    assert not is_looked_at(door)


@pytest.mark.parametrize(
    ("secret", "status", "said"),
    [("", 404, "WEBHOOK_SECRET is not set"), ("short", 503, "WEBHOOK_SECRET")],
    ids=["none", "malformed"],
)
def test_without_a_good_secret_none_are_taken(
    database_url: str, tmp_path_factory: pytest.TempPathFactory, secret: str, status: int, said: str
) -> None:
    body = json.dumps(EVENT).encode()
    with open_door(database_url, tmp_path_factory.mktemp("home"), webhook_secret=secret) as door:
        answer = httpx.post(door.url + PATH, content=body, headers=signed(body))
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True)
