"""`keepsake user` and `keepsake token`, as they are typed."""

from pathlib import Path

import pytest

from keepsake.accounts.audit import writes
from keepsake.accounts.principal import by_token
from keepsake.accounts.sign_in import use_code, use_link
from keepsake.accounts.users import find_user
from keepsake.database import Connection, Pool
from keepsake.owners.owners import Owner
from tests.commands import answer, keepsake, refused

ROSA = "rosa@example.org"


@pytest.fixture(autouse=True)
def settings(
    database_url: str, family: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path))


async def test_a_token_is_made_used_listed_and_revoked(
    db: Connection, pool: Pool, family: Owner
) -> None:
    result = keepsake("token", "create", "--owner", "miller", "--scope", "ingest, read", "--quiet")
    secret = result.stdout.strip()
    principal = await by_token(pool, secret)
    assert principal is not None
    assert principal.owners[family.id].permissions == {"read", "ingest"}
    (listed,) = answer("token", "list", "--owner", "miller")
    assert listed["scopes"] == ["read", "ingest"]
    assert listed["expires_at"]
    assert listed["last_used_at"]
    assert secret not in keepsake("token", "list").stdout
    assert secret[:8] in keepsake("token", "list").stdout
    assert answer("token", "revoke", listed["id"])["revoked_at"]
    assert await by_token(pool, secret) is None
    assert [(w.action, w.owner, w.detail) for w in writes(db)] == [
        ("token.revoke", "miller", "token 1"),
        ("token.create", "miller", "token 1"),
    ]


async def test_a_token_of_a_user_is_for_members_only(pool: Pool) -> None:
    create = ("token", "create", "--owner", "miller", "--scope", "read", "--user", ROSA)
    assert "no user" in refused(*create)
    keepsake("user", "add", ROSA, "--name", "Rosa")
    assert "no member" in refused(*create)
    keepsake("user", "role", ROSA, "--owner", "miller", "--role", "editor")
    made = answer(*create, "--expires", "never", "--name", "Rosa's phone")
    assert (made["token"]["email"], made["token"]["expires_at"]) == (ROSA, None)
    principal = await by_token(pool, made["secret"])
    assert principal is not None
    assert principal.name == "Rosa"


async def test_an_admins_token_is_asked_for_by_name(pool: Pool) -> None:
    principal = await by_token(pool, answer("token", "create", "--admin")["secret"])
    assert principal is not None
    assert principal.operator
    keepsake("user", "add", ROSA, "--name", "Rosa")
    assert "no operator" in refused("token", "create", "--admin", "--user", ROSA)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--scope", "read"), "--owner SLUG"),
        (("--admin", "--owner", "miller"), "--owner SLUG"),
        (("--owner", "miller"), "needs a scope"),
        (("--owner", "miller", "--scope", "root"), "no scope 'root'"),
        (("--owner", "nope", "--scope", "read"), "no owner 'nope'"),
        (("--owner", "miller", "--scope", "read", "--expires", "soon"), "like 90d"),
    ],
)
def test_a_token_that_cannot_be_is_refused(arguments: tuple[str, ...], why: str) -> None:
    assert why in refused("token", "create", *arguments)
    assert answer("token", "list") == []


def test_users_are_added_listed_and_removed(db: Connection) -> None:
    add = ("user", "add", ROSA, "--name", "Rosa", "--owner", "miller", "--role", "owner")
    assert answer(*add)["email"] == ROSA
    assert "already a user" in refused(*add)
    (listed,) = answer("user", "list")
    assert (listed["name"], listed["owners"]) == ("Rosa", {"miller": "owner"})
    assert "miller (owner)" in keepsake("user", "list").stdout
    answer("user", "role", ROSA, "--owner", "miller", "--role", "none")
    assert "no member" in refused("user", "role", ROSA, "--owner", "miller", "--role", "none")
    answer("user", "remove", ROSA)
    assert answer("user", "list") == []
    assert [w.action for w in writes(db)] == [
        "user.remove", "member.set", "member.set", "user.add",
    ]  # fmt: skip


def test_a_user_is_not_added_where_the_owner_or_the_role_is_wrong() -> None:
    add = ("user", "add", ROSA, "--name", "Rosa", "--owner")
    assert "no owner" in refused(*add, "nope")
    assert "no role" in refused(*add, "miller", "--role", "boss")
    assert answer("user", "list") == []


def test_a_link_and_a_code_to_sign_in_with_are_printed(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://keepsake.example/")
    keepsake("user", "add", ROSA, "--name", "Rosa", "--operator")
    rosa = find_user(db, ROSA)
    assert rosa.operator
    printed = answer("user", "link", ROSA)
    assert use_code(db, ROSA, printed["code"]) == rosa.id
    url = keepsake("user", "link", ROSA).stdout.splitlines()[0]
    assert url.startswith("https://keepsake.example/sign-in/")
    assert use_link(db, url.rpartition("/")[2]) == rosa.id


def test_a_link_is_for_a_user_there_is() -> None:
    assert "keepsake user add" in refused("user", "link", ROSA)
