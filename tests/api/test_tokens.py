"""Tokens over HTTP: made, listed and revoked by those who manage their owner, and by no others."""

import httpx
import pytest

from keepsake.accounts.audit import writes
from keepsake.accounts.tokens import create_token
from keepsake.accounts.users import add_user, memberships, set_role
from tests.api.conftest import Door

NEW = {"name": "Rose's phone", "scopes": ["read", "ingest"], "expires": "90d"}


def test_a_token_is_made_used_listed_and_revoked(
    door: Door, rose: httpx.Client, nobody: httpx.Client
) -> None:
    made = rose.post("/api/tokens", json=NEW)
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    token = made.json()
    nobody.headers["Authorization"] = f"Bearer {token['token']}"
    assert nobody.get("/api/me").json()["owners"] == [
        {"owner": "the-marlows", "permissions": ["ingest", "read"]}
    ]
    listed = rose.get("/api/tokens").json()[0]
    assert (listed["name"], listed["prefix"]) == ("Rose's phone", token["token"][:8])
    assert listed["last_used_at"]
    assert token["token"] not in rose.get("/api/tokens").text
    assert rose.delete(made.headers["Location"]).status_code == 204
    assert nobody.get("/api/me").status_code == 401
    assert [(w.action, w.owner, w.token_id) for w in writes(door.db)] == [
        ("token.revoke", "the-marlows", 1),
        ("token.create", "the-marlows", 1),
    ]


def test_who_does_not_manage_an_owner_makes_no_tokens(door: Door) -> None:
    editor = door.client("read", "ingest", "edit")
    for answer in (editor.get("/api/tokens"), editor.post("/api/tokens", json=NEW)):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_token_hands_on_no_more_than_it_may_do(door: Door) -> None:
    manager = door.client("manage", "read")
    refused = manager.post("/api/tokens", json=NEW)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert "'ingest'" in refused.json()["detail"]
    assert manager.post("/api/tokens", json={**NEW, "scopes": ["read"]}).status_code == 201


@pytest.mark.parametrize("role", ["viewer", "editor", "owner"])
def test_a_token_makes_no_member_who_may_do_more_than_it_may(door: Door, role: str) -> None:
    rose = add_user(door.db, "rose@example.org", "Rose")
    set_role(door.db, owner_id=door.marlows.id, user_id=rose.id, role="owner")
    eve = {"email": "eve@example.org", "role": role}

    door.client("manage").post("/o/the-marlows/access/members", data=eve)
    assert roles(door) == {"rose@example.org": "owner"}
    door.client().post("/o/the-marlows/access/members", data=eve)
    assert roles(door) == {"rose@example.org": "owner", "eve@example.org": role}


def roles(door: Door) -> dict[str, str]:
    """What each member of the Marlows is to them."""
    return {m.email: m.role for m in memberships(door.db, owner_id=door.marlows.id)}


def test_a_token_of_another_owner_is_not_there(door: Door, otto: httpx.Client) -> None:
    _, token = create_token(door.db, "phone", owner_id=door.marlows.id, scopes=["read"])
    _, admins = create_token(door.db, "nightly", owner_id=None)
    unknown = otto.delete("/api/tokens/999")
    for token_id in (token.id, admins.id):
        foreign = otto.delete(f"/api/tokens/{token_id}")
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.text.replace(str(token_id), "999") == unknown.text
    assert otto.post("/api/tokens?owner=the-marlows", json=NEW).status_code == 404
    assert door.db.execute("SELECT FROM tokens WHERE revoked_at IS NOT NULL").fetchall() == []


def test_an_operator_manages_all(door: Door) -> None:
    operator = door.operator()
    made = operator.post("/api/tokens?owner=the-others", json=NEW)
    assert made.json()["owner"] == "the-others"
    assert operator.delete(made.headers["Location"]).status_code == 204


@pytest.mark.parametrize(
    "wrong", [{"scopes": []}, {"scopes": ["root"]}, {"expires": "soon"}, {"name": ""}], ids=str
)
def test_what_is_no_token_is_refused(rose: httpx.Client, wrong: dict[str, object]) -> None:
    answer = rose.post("/api/tokens", json={**NEW, **wrong})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert len(rose.get("/api/tokens").json()) == 1  # its own
