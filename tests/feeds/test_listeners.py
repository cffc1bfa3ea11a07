"""Listeners over HTTP: added, listed and revoked by who manages the owner."""

from collections.abc import Iterator

import httpx
import pytest

from keepsake.accounts.tokens import create_token
from keepsake.family.response import add_family

from .conftest import PUBLIC, OpensRadio, Radio


@pytest.fixture
def manager(radio: Radio) -> Iterator[httpx.Client]:
    yield from _client(radio, radio.family.id, "manage")


def _client(radio: Radio, owner_id: int, scope: str) -> Iterator[httpx.Client]:
    token, _ = create_token(radio.db, scope, owner_id=owner_id, scopes=[scope])
    with httpx.Client(
        base_url=radio.url, headers={"Authorization": f"Bearer {token}"}, timeout=20
    ) as client:
        yield client


def test_a_listener_is_added_heard_and_revoked(radio: Radio, manager: httpx.Client) -> None:
    radio.add("Saturday Bread")
    made = manager.post("/api/listeners", json={"name": "Aunt May"})
    assert made.status_code == 201
    address, listener = made.json()["podcast"], made.json()["listener"]
    assert address.startswith(f"{PUBLIC}/feeds/ksf_")
    assert radio.player.get(address).status_code == 200
    listed = manager.get("/api/listeners")
    assert [each["name"] for each in listed.json()["listeners"]] == ["Aunt May", "Grandson Tom"]
    assert address.rpartition("/")[2] not in listed.text
    revoked = manager.delete(f"/api/listeners/{listener['id']}")
    assert revoked.json()["revoked_at"]
    assert radio.player.get(address).status_code == 404


def test_only_who_manages_sees_them(radio: Radio) -> None:
    (editor,) = _client(radio, radio.family.id, "edit")
    with httpx.Client(base_url=radio.url, headers=editor.headers) as client:
        assert client.get("/api/listeners").status_code == 403
        assert client.post("/api/listeners", json={"name": "x"}).status_code == 403


def test_a_listener_of_another_family_is_not_there(radio: Radio) -> None:
    others = add_family(radio.db, "The Others")
    (theirs,) = _client(radio, others.id, "manage")
    with httpx.Client(base_url=radio.url, headers=theirs.headers) as client:
        assert client.get("/api/listeners").json() == {"listeners": []}
        answer = client.delete("/api/listeners/1")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert radio.player.get(radio.feed).status_code == 200


def test_without_a_public_address_none_is_added(opens_radio: OpensRadio) -> None:
    radio = opens_radio(public_url="")
    (manager,) = _client(radio, radio.family.id, "manage")
    with httpx.Client(base_url=radio.url, headers=manager.headers) as client:
        answer = client.post("/api/listeners", json={"name": "Aunt May"})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_configured")
