"""GraphQL over a websocket: the protocol, who may begin, and when it ends."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets import Subprotocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from keepsake.accounts.sessions import start_session
from keepsake.accounts.tokens import revoke_token, tokens
from keepsake.accounts.users import add_user, set_role
from keepsake.api.graphql import websocket
from tests.api.conftest import Door, open_door
from tests.api.test_graphql_jobs import submitted
from tests.databases import Copies

PROTOCOL = "graphql-transport-ws"
TYPES = {"query": "{ jobTypes { name } }"}


@pytest.fixture(scope="module")
def door(_copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with _copies.one() as url, open_door(url, tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture
def token(door: Door) -> str:
    """A token of the Marlows, as a header or the first message has it."""
    return door.client().headers["Authorization"]


@pytest.fixture(scope="module")
def cookie(door: Door) -> str:
    """That of a browser in which an owner of the Marlows has signed in."""
    user = add_user(door.db, "rose@example.org", "Rose")
    set_role(door.db, owner_id=door.marlows.id, user_id=user.id, role="owner")
    return f"keepsake_session={start_session(door.db, user.id)}"


@contextmanager
def socket(door: Door, *protocols: str, **headers: str) -> Iterator[ClientConnection]:
    with connect(
        f"{door.url.replace('http', 'ws')}/graphql",
        subprotocols=[Subprotocol(each) for each in protocols or (PROTOCOL,)],
        additional_headers=headers,
        proxy=None,
    ) as opened:
        yield opened


@contextmanager
def begun(door: Door, token: str) -> Iterator[ClientConnection]:
    """A conversation whose first message has said who asks."""
    with socket(door) as opened:
        send(opened, type="connection_init", payload={"Authorization": token})
        assert received(opened) == {"type": "connection_ack"}
        yield opened


def send(opened: ClientConnection, **message: Any) -> None:
    opened.send(json.dumps(message))


def received(opened: ClientConnection) -> Any:
    return json.loads(opened.recv(10))


def ended(opened: ClientConnection) -> int | None:
    """The code with which the server ends a conversation, whatever it says before."""
    with suppress(ConnectionClosed):
        while opened.recv(10):
            pass
    return opened.close_code


def ask(opened: ClientConnection, id: str = "1", **payload: Any) -> None:
    send(opened, type="subscribe", id=id, payload=payload or TYPES)


# -- who may begin --------------------------------------------------------------------------------


def test_a_token_in_the_first_message_signs_in(door: Door, token: str) -> None:
    with begun(door, token) as opened:
        ask(opened)
        assert received(opened)["payload"]["data"]["jobTypes"]


def test_a_token_in_a_header_signs_in(door: Door, token: str) -> None:
    with socket(door, Authorization=token) as opened:
        send(opened, type="connection_init")
        assert received(opened) == {"type": "connection_ack"}


def test_the_cookie_of_a_session_signs_in_on_our_own_pages(door: Door, cookie: str) -> None:
    with socket(door, Cookie=cookie, Origin=door.url) as opened:
        send(opened, type="connection_init")
        assert received(opened) == {"type": "connection_ack"}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
def test_no_other_site_begins_with_our_cookie(door: Door, cookie: str, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    with (
        pytest.raises(InvalidStatus) as refused,
        socket(door, Cookie=cookie, **headers),
    ):
        pass
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body or b"")["code"] == "cross_site"


def test_without_a_sign_in_nothing_begins(door: Door) -> None:
    with socket(door) as opened:
        send(opened, type="connection_init", payload={"Authorization": "Bearer none"})
        assert ended(opened) == 4403


@pytest.mark.parametrize("protocols", [("graphql-ws",), ("graphql-ws", "other")], ids=len)
def test_the_former_protocol_is_refused(door: Door, token: str, protocols: tuple[str, ...]) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        socket(door, *protocols, Authorization=token),
    ):
        pass
    assert refused.value.response.status_code == 400
    assert PROTOCOL in json.loads(refused.value.response.body or b"")["detail"]


# -- the protocol ---------------------------------------------------------------------------------


def test_a_query_has_its_answer_and_its_end(door: Door, token: str) -> None:
    with begun(door, token) as opened:
        ask(opened, "a", query="query q($yes: Boolean!) { jobTypes { name @include(if: $yes) } }",
            variables={"yes": True}, operationName="q")  # fmt: skip
        answer = received(opened)
        assert (answer["type"], answer["id"]) == ("next", "a")
        assert received(opened) == {"type": "complete", "id": "a"}


def test_what_cannot_be_run_is_an_error(door: Door, token: str) -> None:
    with begun(door, token) as opened:
        ask(opened, query="{ jobTypes { secrets } }")
        answer = received(opened)
        assert (answer["type"], answer["id"]) == ("error", "1")
        assert answer["payload"][0]["extensions"]["code"] == "malformed_request"
        ask(opened)  # the id is free again
        assert received(opened)["type"] == "next"


def test_it_answers_a_ping(door: Door) -> None:
    with socket(door) as opened:
        send(opened, type="ping", payload={"any": "thing"})
        assert received(opened) == {"type": "pong"}


@pytest.mark.parametrize(
    "message",
    [
        "", "{", "[]", "1", "null", '"x"', "{}", '{"type": "start"}', '{"type": ["subscribe"]}',
        '{"type": "connection_init", "payload": 1}',
        '{"type": "subscribe"}', '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": [], "payload": {"query": "{ a }"}}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ a }"}}',
        '{"type": "subscribe", "id": "1", "payload": "x"}',
        '{"type": "subscribe", "id": "1", "payload": {"query": ["{ a }"]}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": 1}}',
        '{"type": "complete"}', '{"type": "complete", "id": {}}',
        "[" * 100_000, " " * 2_000_001, b"{}",
    ],
    ids=range(22),
)  # fmt: skip
def test_what_is_no_message_ends_it(door: Door, token: str, message: str | bytes) -> None:
    with begun(door, token) as opened:
        opened.send(message)
        assert ended(opened) == 4400


def test_nothing_is_asked_before_it_has_begun(door: Door, token: str) -> None:
    with socket(door, Authorization=token) as opened:
        ask(opened)
        assert ended(opened) == 4401


def test_it_begins_once(door: Door, token: str) -> None:
    with begun(door, token) as opened:
        send(opened, type="connection_init")
        assert ended(opened) == 4429


def test_it_begins_in_time(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "BEGINS", 0.1)
    with socket(door) as opened:
        assert ended(opened) == 4408


def test_what_is_not_under_way_is_not_ended(door: Door, token: str) -> None:
    with begun(door, token) as opened:
        send(opened, type="complete", id="none")
        ask(opened)
        assert received(opened)["type"] == "next"


# -- following a job ------------------------------------------------------------------------------

FOLLOW = "subscription ($id: Int!) { jobChanged(id: $id) { status attempt } }"


@pytest.fixture
def job(door: Door) -> Iterator[int]:
    """A job of the Marlows."""
    client = door.client()
    yield submitted(client)
    door.db.execute("DELETE FROM jobs")


def follow(opened: ClientConnection, job: int, id: str = "1") -> None:
    ask(opened, id, query=FOLLOW, variables={"id": job})


def state(opened: ClientConnection) -> Any:
    """What is told next of the job."""
    message = received(opened)
    assert message["type"] == "next", message
    return message["payload"]["data"]["jobChanged"]


def test_a_job_is_followed_to_its_end(door: Door, token: str, job: int) -> None:
    with begun(door, token) as opened:
        follow(opened, job)
        assert state(opened) == {"status": "PENDING", "attempt": 0}
        door.db.execute("UPDATE jobs SET status = 'running', attempt = 1")
        assert state(opened) == {"status": "RUNNING", "attempt": 1}
        door.db.execute("UPDATE jobs SET status = 'succeeded', finished_at = now()")
        assert state(opened) == {"status": "SUCCEEDED", "attempt": 1}
        assert received(opened) == {"type": "complete", "id": "1"}


def test_what_has_been_told_of_a_job_is_not_told_again_with_old_parts(
    door: Door, token: str, job: int
) -> None:
    with begun(door, token) as opened:
        query = "subscription ($id: Int!) { jobChanged(id: $id) { attempts { outcome } } }"
        ask(opened, query=query, variables={"id": job})
        assert state(opened) == {"attempts": []}
        door.db.execute(
            "INSERT INTO job_attempts (job_id, owner_id, attempt, started_at, outcome)"
            " SELECT id, owner_id, 1, now(), 'failed' FROM jobs"
        )
        door.db.execute("UPDATE jobs SET status = 'failed', attempt = 1, finished_at = now()")
        assert state(opened) == {"attempts": [{"outcome": "failed"}]}


def test_a_client_ends_what_it_follows_and_may_use_the_id_at_once(
    door: Door, token: str, job: int
) -> None:
    with begun(door, token) as opened:
        for _ in range(30):
            follow(opened, job)
            assert state(opened) == {"status": "PENDING", "attempt": 0}
            send(opened, type="complete", id="1")
        door.db.execute("UPDATE jobs SET status = 'running', attempt = 1")
        follow(opened, job)
        assert state(opened) == {"status": "RUNNING", "attempt": 1}


def test_an_id_is_used_once_at_a_time(door: Door, token: str, job: int) -> None:
    with begun(door, token) as opened:
        follow(opened, job)
        follow(opened, job)
        assert ended(opened) == 4409


def test_a_conversation_has_so_many_operations_at_once(door: Door, token: str, job: int) -> None:
    with begun(door, token) as opened:
        for number in range(websocket.MOST_OPERATIONS + 1):
            follow(opened, job, str(number))
        while (message := received(opened))["type"] == "next":
            pass
        assert message["id"] == str(websocket.MOST_OPERATIONS)
        assert message["payload"][0]["extensions"]["code"] == "too_many_requests"


def test_anothers_job_is_not_followed(door: Door, job: int) -> None:
    other = door.client(owner="the-others").headers["Authorization"]
    with begun(door, other) as opened:
        follow(opened, job)
        (error,) = received(opened)["payload"]["errors"]
        assert error["extensions"]["code"] == "not_found"
        assert received(opened)["type"] == "complete"


def test_it_ends_soon_after_its_token_is_revoked(
    door: Door, job: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "CHECKED", 0.2)
    with begun(door, door.client("read").headers["Authorization"]) as opened:
        follow(opened, job)
        state(opened)
        revoke_token(door.db, tokens(door.db, door.marlows.id)[0].id)
        assert ended(opened) == 4401


def test_nothing_more_is_asked_once_the_session_has_ended(
    door: Door, cookie: str, job: int
) -> None:
    with socket(door, Cookie=cookie, Origin=door.url) as opened:
        send(opened, type="connection_init")
        received(opened)
        door.db.execute("UPDATE sessions SET last_used_at = now() - interval '1 year'")
        ask(opened)
        assert ended(opened) == 4401
    door.db.execute("UPDATE sessions SET last_used_at = now()")


def test_what_may_not_be_read_any_more_is_not_told(
    door: Door, cookie: str, job: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "CHECKED", 0.2)
    with socket(door, Cookie=cookie, Origin=door.url) as opened:
        send(opened, type="connection_init")
        received(opened)
        follow(opened, job)
        state(opened)
        door.db.execute("DELETE FROM memberships")
        (error,) = received(opened)["payload"]["errors"]
        assert error["extensions"]["code"] == "not_found"


def test_it_ends_when_the_server_stops(database_url: str, tmp_path: Path) -> None:
    follows = threading.Event()

    def hear(door: Door, token: str, job: int) -> int | None:
        with begun(door, token) as opened:
            follow(opened, job)
            state(opened)
            follows.set()
            return ended(opened)

    with ThreadPoolExecutor() as reader:
        with open_door(database_url, tmp_path) as door:
            client = door.client()
            code = reader.submit(hear, door, client.headers["Authorization"], submitted(client))
            assert follows.wait(10)
            began = time.monotonic()
        assert code.result(10) == 1012
        assert time.monotonic() - began < 3
