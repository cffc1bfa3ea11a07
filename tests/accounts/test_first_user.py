"""The first user: an operator who can sign in at once, and is added once."""

from keepsake.accounts.first_user import EMAIL, first_sign_in
from keepsake.accounts.sessions import start_session
from keepsake.accounts.sign_in import use_link
from keepsake.accounts.users import add_user, find_user, users
from keepsake.database import Connection


def test_the_first_user_is_an_operator_with_a_link(db: Connection) -> None:
    sign_in = first_sign_in(db)
    assert sign_in is not None
    first = find_user(db, EMAIL)
    assert first.operator
    assert use_link(db, sign_in.link) == first.id


def test_a_link_is_given_at_each_start_until_one_was_used(db: Connection) -> None:
    assert first_sign_in(db)
    assert first_sign_in(db)
    start_session(db, find_user(db, EMAIL).id)
    assert first_sign_in(db) is None
    assert len(users(db)) == 1


def test_where_people_were_added_none_is_added(db: Connection) -> None:
    add_user(db, "rosa@example.org", "Rosa")
    assert first_sign_in(db) is None
    assert len(users(db)) == 1
