"""Dagster's pages behind the door: a real webserver, and who may reach it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets import Subprotocol
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from keepsake.accounts.tokens import create_token
from keepsake.api.app import create_app
from keepsake.database import connect as connect_database
from keepsake.local.ports import free_port
from keepsake.owners.owners import add_owner
from keepsake.settings import Settings
from tests.acceptance.parts import eventually
from tests.api.serving import serving
from tests.databases import Copies

VERSION = {"query": "{ version }"}
DELETE = {"query": 'mutation { deleteRun(runId: "none") { __typename } }'}
EVIL = "https://evil.example"


@dataclass
class House:
    """The API in front of a Dagster, and tokens for it."""

    url: str
    operator: str
    member: str

    def client(self, token: str | None, **headers: str) -> httpx.Client:
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def socket(self, token: str, **headers: str) -> ClientConnection:
        return connect(
            f"{self.url.replace('http', 'ws')}/dagster/graphql",
            subprotocols=[Subprotocol("graphql-ws")],
            additional_headers={"Authorization": f"Bearer {token}", **headers},
            proxy=None,
        )


@pytest.fixture(scope="module")
def house(_copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home, port = tmp_path_factory.mktemp("dagster"), free_port()
    with (
        _copies.one() as database_url,
        _webserver(str(home), port),
        _api(database_url, port) as url,
    ):
        with connect_database(database_url) as db:
            owner = add_owner(db, "The Marlows")
            operator, _ = create_token(db, "operator", owner_id=None, scopes=())
            member, _ = create_token(db, "member", owner_id=owner.id, scopes=("read", "manage"))
        yield House(url, operator, member)


@contextmanager
def _api(database_url: str, port: int) -> Iterator[str]:
    settings = Settings.model_validate({"database_url": database_url, "dagster_port": port})
    with serving(create_app(settings)) as url:
        yield url


@contextmanager
def _webserver(home: str, port: int) -> Iterator[None]:
    """A webserver as `keepsake up` starts it, with no code behind it."""
    command = [sys.executable, "-m", "dagster_webserver", "--empty-workspace"]
    command += ["--port", str(port), "--path-prefix", "/dagster"]
    environment = os.environ | {"DAGSTER_HOME": home, "DAGSTER_DISABLE_TELEMETRY": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            eventually(lambda: httpx.get(f"http://127.0.0.1:{port}/dagster/server_info").is_success)
            yield
        finally:
            process.terminate()


def test_an_operator_sees_it_with_its_own_policy_and_in_no_frame(house: House) -> None:
    with house.client(house.operator) as client:
        page = client.get("/dagster/runs", headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert "/dagster/" in page.text
        policies = page.headers.get_list("Content-Security-Policy")
        assert any("strict-dynamic" in policy for policy in policies)
        assert "frame-ancestors 'none'" in policies
        script = next(part for part in page.text.split('"') if part.endswith(".js"))
        assert client.get(script).status_code == 200


def test_it_answers_questions(house: House) -> None:
    with house.client(house.operator) as client:
        answer = client.post("/dagster/graphql", json=VERSION)
    assert "version" in answer.json()["data"]


def test_a_member_is_refused(house: House) -> None:
    with house.client(house.member) as client:
        assert client.get("/dagster/runs").status_code == 403
        assert client.post("/dagster/graphql", json=VERSION).status_code == 403


def test_without_a_session_a_browser_is_led_to_sign_in(house: House) -> None:
    with house.client(None, Accept="text/html") as client:
        answer = client.get("/dagster/runs?limit=2")
        assert answer.headers["Location"] == "/sign-in?next=/dagster/runs%3Flimit%3D2"
        assert client.post("/dagster/graphql", json=VERSION).status_code == 401


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.post("/dagster/graphql", json=DELETE),
        lambda client: client.post("/dagster/graphql", params=DELETE, data={}),
        lambda client: client.get("/dagster/graphql", params=DELETE),
        lambda client: client.post("/dagster/report_asset_materialization/stories"),
    ],
    ids=["JSON", "form", "link", "report"],
)
@pytest.mark.parametrize(
    "headers",
    [{"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
    ids=["origin", "other site", "other port"],
)
def test_another_site_gives_no_orders(
    house: House, ask: Callable[[httpx.Client], httpx.Response], headers: dict[str, str]
) -> None:
    with house.client(house.operator, **headers) as client:
        answer = ask(client)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


def test_a_link_gives_no_orders_even_without_saying_where_it_is(house: House) -> None:
    with house.client(house.operator) as client:
        assert client.get("/dagster/graphql", params=DELETE).status_code == 405


def test_a_page_of_ours_gives_orders(house: House) -> None:
    with house.client(house.operator, Origin=house.url) as client:
        answer = client.post("/dagster/graphql", json=DELETE)
    assert answer.status_code == 200
    assert answer.json()["data"]["deleteRun"]["__typename"] == "RunNotFoundError"


def _started(socket: ClientConnection) -> Any:
    socket.send(json.dumps({"type": "connection_init", "payload": {}}))
    return json.loads(socket.recv(10))


def test_a_websocket_carries_messages_both_ways(house: House) -> None:
    with house.socket(house.operator, Origin=house.url) as socket:
        assert socket.subprotocol == "graphql-ws"
        assert _started(socket) == {"type": "connection_ack"}


@pytest.mark.parametrize("who", ["operator", "member"])
def test_a_websocket_is_refused_to_other_sites_and_other_people(house: House, who: str) -> None:
    origin = EVIL if who == "operator" else house.url
    with (
        pytest.raises(InvalidStatus) as refused,
        house.socket(getattr(house, who), Origin=origin),
    ):
        pass
    assert refused.value.response.status_code == 403


def test_it_is_said_when_it_is_away(database_url: str) -> None:
    with _api(database_url, free_port()) as url:
        with connect_database(database_url) as db:
            token, _ = create_token(db, "operator", owner_id=None, scopes=())
        with House(url, token, "").client(token) as client:
            answer = client.get("/dagster/runs")
    assert (answer.status_code, answer.json()["code"]) == (503, "dagster_unavailable")
