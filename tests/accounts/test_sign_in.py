"""Signing in by link or code: once, for a quarter of an hour, and not by guessing."""

import pytest

from keepsake.accounts.sign_in import (
    REQUESTS_AN_HOUR,
    SignIn,
    is_open,
    request_sign_in,
    use_code,
    use_link,
)
from keepsake.accounts.users import User, add_user
from keepsake.database import Connection
from keepsake.errors import InvalidInput


@pytest.fixture
def asked(db: Connection, ada: User) -> SignIn:
    """What Ada got."""
    return request(db)


def request(db: Connection) -> SignIn:
    sign_in = request_sign_in(db, "ada@EXAMPLE.org", limited=False)
    assert sign_in is not None
    return sign_in


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def age(db: Connection, interval: str) -> None:
    """Let all requests be so long ago."""
    db.execute(
        "UPDATE sign_in_requests SET created_at = created_at - %(by)s::interval,"
        " expires_at = expires_at - %(by)s::interval",
        {"by": interval},
    )


def test_a_link_signs_in_once(db: Connection, ada: User, asked: SignIn) -> None:
    assert asked.email == "Ada@example.org"
    assert use_link(db, asked.link) == ada.id
    assert use_link(db, asked.link) is None


def test_a_code_signs_in_once_with_or_without_spaces(
    db: Connection, ada: User, asked: SignIn
) -> None:
    typed = f" {asked.code[:3]} {asked.code[3:]}"
    assert use_code(db, "ada@example.org", typed) == ada.id
    assert use_code(db, "ada@example.org", typed) is None


def test_link_and_code_are_for_one_use_in_all(db: Connection, asked: SignIn) -> None:
    assert use_link(db, asked.link)
    assert use_code(db, asked.email, asked.code) is None
    again = request(db)
    assert use_code(db, again.email, again.code)
    assert use_link(db, again.link) is None


def test_looking_at_a_link_does_not_use_it_up(db: Connection, ada: User, asked: SignIn) -> None:
    assert is_open(db, asked.link)
    assert is_open(db, asked.link)
    assert use_link(db, asked.link) == ada.id
    assert not is_open(db, asked.link)
    assert not is_open(db, "made up")


def test_both_are_over_after_a_quarter_of_an_hour(db: Connection, asked: SignIn) -> None:
    age(db, "15 minutes")
    assert not is_open(db, asked.link)
    assert use_link(db, asked.link) is None
    assert use_code(db, asked.email, asked.code) is None


def test_after_five_wrong_tries_the_right_code_does_not_help(
    db: Connection, ada: User, asked: SignIn
) -> None:
    for _ in range(5):
        assert use_code(db, asked.email, wrong(asked.code)) is None
    assert use_code(db, asked.email, asked.code) is None
    assert use_link(db, asked.link) == ada.id


def test_asking_again_and_again_does_not_give_more_than_twenty_tries_a_day(
    db: Connection, ada: User
) -> None:
    for _ in range(4):
        asked = request(db)
        for _ in range(5):
            assert use_code(db, asked.email, wrong(asked.code)) is None
    asked = request(db)
    assert use_code(db, asked.email, asked.code) is None
    age(db, "1 day")
    asked = request(db)
    assert use_code(db, asked.email, asked.code) == ada.id


def test_a_code_is_for_the_address_that_asked(db: Connection, ada: User, asked: SignIn) -> None:
    add_user(db, "eve@example.org", "Eve")
    assert use_code(db, "eve@example.org", asked.code) is None
    assert use_code(db, "ada@example.org", asked.code) == ada.id


def test_an_unknown_address_gets_nothing_but_is_counted_like_a_known_one(
    db: Connection, ada: User
) -> None:
    for email in ("ada@example.org", "zoe@example.org"):
        got = [request_sign_in(db, email) for _ in range(REQUESTS_AN_HOUR + 1)]
        assert [bool(sign_in) for sign_in in got] == (
            [True] * 5 + [False] if email.startswith("ada") else [False] * 6
        )
    counts = db.execute("SELECT count(*) FROM sign_in_requests GROUP BY email_hash").fetchall()
    assert counts == [(5,), (5,)]


def test_an_address_may_be_asked_for_again_an_hour_later(db: Connection, ada: User) -> None:
    for _ in range(REQUESTS_AN_HOUR):
        request_sign_in(db, "ada@example.org")
    assert request_sign_in(db, "ada@example.org") is None
    age(db, "1 hour")
    assert request_sign_in(db, "ada@example.org")


def test_neither_link_nor_code_nor_address_is_stored_or_shown(
    db: Connection, asked: SignIn
) -> None:
    (row,) = db.execute("SELECT r::text FROM sign_in_requests r").fetchall()
    for secret in (asked.link, asked.code, "ada"):
        assert secret not in row[0].lower()
    assert asked.link not in repr(asked)
    assert asked.code not in repr(asked)


def test_what_is_no_address_is_refused(db: Connection) -> None:
    with pytest.raises(InvalidInput):
        request_sign_in(db, "ada")
    with pytest.raises(InvalidInput):
        use_code(db, "ada", "123456")
