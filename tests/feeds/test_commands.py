"""`keepsake feed`, as it is typed."""

from pathlib import Path

import pytest

from keepsake.accounts.audit import writes
from keepsake.accounts.listeners import PREFIX, listeners
from keepsake.accounts.tokens import hash_of, is_well_formed
from keepsake.database import Connection
from keepsake.family.feed.approval import visibility
from keepsake.family.response import Family
from keepsake.owners.owners import add_owner
from tests.commands import answer, keepsake, refused
from tests.feeds.conftest import PUBLIC
from tests.feeds.episodes import given_episode


@pytest.fixture(autouse=True)
def settings(
    database_url: str, marlows: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path))
    monkeypatch.setenv("PUBLIC_URL", f"{PUBLIC}/")


def test_an_address_is_made_and_shown_once(db: Connection, marlows: Family) -> None:
    result = keepsake("feed", "add", "the-marlows", "Grandson Tom")
    assert result.exit_code == 0
    (address,) = result.stdout.split()
    token = address.removeprefix(f"{PUBLIC}/feeds/").removesuffix(".xml")
    assert is_well_formed(token, PREFIX)
    assert "Grandson Tom alone" in result.stderr
    found = db.execute("SELECT hash, listeners::text FROM listeners").fetchall()
    assert [row[0] for row in found] == [hash_of(token)]
    assert token not in found[0][1]
    listed = keepsake("feed", "list", "the-marlows").stdout
    assert "Grandson Tom" in listed
    assert "never" in listed
    assert token not in listed


def test_without_a_public_address_nothing_is_made(
    db: Connection, marlows: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUBLIC_URL")
    assert "set PUBLIC_URL" in refused("feed", "add", "the-marlows", "Tom")
    assert listeners(db, marlows.id) == []


def test_a_listener_is_revoked_by_name_and_may_come_back(db: Connection, marlows: Family) -> None:
    for name in ("Tom", "May"):
        answer("feed", "add", "the-marlows", name)
    assert "already a listener named 'tom'" in refused("feed", "add", "the-marlows", "tom")
    assert answer("feed", "revoke", "the-marlows", "tom")["revoked_at"]
    answer("feed", "add", "the-marlows", "Tom")
    state = [(each.name, each.revoked_at is None) for each in listeners(db, marlows.id)]
    assert state == [("Tom", True), ("May", True), ("Tom", False)]
    assert "known: Tom, May" in refused("feed", "revoke", "the-marlows", "Ellen")
    assert [each.action for each in writes(db)][:2] == ["listener.add", "listener.revoke"]


def test_a_runner_gets_a_feed_of_weeks(db: Connection) -> None:
    add_owner(db, "Ada Runner")
    made = answer("feed", "add", "ada-runner", "reader")
    assert made["podcast"] is None
    assert made["running"].endswith("/running.atom")


def test_stories_are_hidden_and_approved(db: Connection, marlows: Family) -> None:
    bread, boat = (given_episode(db, None, marlows, title) for title in ("Bread", "Boat"))
    assert keepsake("feed", "hide", bread).stdout == f"Record {bread} is hidden.\n"
    assert keepsake("feed", "policy", "the-marlows", "approved").exit_code == 0
    assert not visibility(db, marlows.id, boat).in_feed
    assert keepsake("feed", "approve", bread, boat).exit_code == 0
    assert visibility(db, marlows.id, bread).in_feed
    assert visibility(db, marlows.id, boat).in_feed
    assert "choose all or approved" in refused("feed", "policy", "the-marlows", "some")


def test_a_decision_about_several_holds_for_all_or_none(db: Connection, marlows: Family) -> None:
    bread = given_episode(db, None, marlows, "Bread")
    assert "no record 99" in refused("feed", "hide", bread, 99)
    assert visibility(db, marlows.id, bread).in_feed
