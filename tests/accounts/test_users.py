"""Users, and what they are to owners."""

import pytest

from keepsake.accounts.users import (
    User,
    add_user,
    find_user,
    memberships,
    remove_member,
    remove_user,
    set_role,
    users,
)
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.owners.owners import Owner


def test_a_user_is_found_by_the_address_in_capitals_or_not(db: Connection) -> None:
    ada = add_user(db, " Ada@Example.org ", "Ada  Lovelace")
    assert (ada.email, ada.name, ada.operator) == ("Ada@Example.org", "Ada Lovelace", False)
    assert find_user(db, "ada@example.ORG") == ada


def test_an_address_has_one_user(db: Connection) -> None:
    add_user(db, "ada@example.org", "Ada")
    with pytest.raises(InvalidInput, match="already a user"):
        add_user(db, "ADA@example.org", "Another")
    assert len(users(db)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "a@b@c",
        "ada@x y",
        "a\x00@b",
        "a,b@c",
        "x" * 250 + "@ab.c",
    ],
)
def test_what_cannot_be_an_address_is_refused(db: Connection, wrong: str) -> None:
    with pytest.raises(InvalidInput, match="no e-mail address"):
        add_user(db, wrong, "Ada")


def test_an_unknown_user_is_refused(db: Connection) -> None:
    with pytest.raises(InvalidInput, match="keepsake user add"):
        find_user(db, "ada@example.org")


def test_a_member_has_one_role_which_can_be_changed(
    db: Connection, family: Owner, ada: User
) -> None:
    set_role(db, owner_id=family.id, user_id=ada.id, role="viewer")
    (member,) = memberships(db, owner_id=family.id)
    assert (member.owner, member.email, member.role) == ("miller", "Ada@example.org", "viewer")


def test_an_unknown_role_is_refused(db: Connection, family: Owner, ada: User) -> None:
    with pytest.raises(InvalidInput, match="no role 'boss': choose of viewer, editor, owner"):
        set_role(db, owner_id=family.id, user_id=ada.id, role="boss")


def test_a_person_may_belong_to_several_owners(
    db: Connection, family: Owner, runner: Owner, ada: User
) -> None:
    set_role(db, owner_id=runner.id, user_id=ada.id, role="owner")
    assert [(m.owner, m.role) for m in memberships(db, user_id=ada.id)] == [
        ("ben", "owner"),
        ("miller", "editor"),
    ]
    assert remove_member(db, owner_id=runner.id, user_id=ada.id)
    assert not remove_member(db, owner_id=runner.id, user_id=ada.id)
    assert len(memberships(db, user_id=ada.id)) == 1


def test_a_user_who_is_removed_is_no_member_any_more(
    db: Connection, family: Owner, ada: User
) -> None:
    remove_user(db, ada.id)
    assert users(db) == []
    assert memberships(db) == []
