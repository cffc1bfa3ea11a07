"""Sessions: whom a cookie stands for, how long, and what its user sees of it."""

import pytest

from keepsake.accounts.principal import Access, Principal, by_session
from keepsake.accounts.sessions import (
    device,
    end_all_sessions,
    end_session,
    is_well_formed,
    sessions,
    start_session,
)
from keepsake.accounts.users import User, add_user, remove_user, set_role
from keepsake.database import Connection, Pool
from keepsake.owners.owners import Owner

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"
)


def age(db: Connection, interval: str) -> None:
    """Let the last use of all sessions be so long ago."""
    db.execute("UPDATE sessions SET last_used_at = now() - %s::interval", (interval,))


async def test_a_session_may_do_what_its_user_may_for_each_owner(
    db: Connection, pool: Pool, family: Owner, runner: Owner, ada: User
) -> None:
    set_role(db, owner_id=runner.id, user_id=ada.id, role="viewer")
    principal = await by_session(pool, start_session(db, ada.id))
    (session,) = sessions(db, ada.id)
    owners = {
        family.id: Access(family.id, "miller", frozenset({"read", "ingest", "edit"})),
        runner.id: Access(runner.id, "ben", frozenset({"read"})),
    }
    assert principal == Principal(ada.id, "Ada", False, owners, session_id=session.id)
    assert not principal.may(family.id, "manage")


async def test_an_operator_may_do_everything_for_owners_they_are_no_member_of(
    db: Connection, pool: Pool, family: Owner
) -> None:
    eve = add_user(db, "eve@example.org", "Eve", operator=True)
    principal = await by_session(pool, start_session(db, eve.id))
    assert principal is not None
    assert not principal.owners
    assert principal.may(family.id, "manage")


async def test_the_cookies_secret_is_not_stored(db: Connection, ada: User) -> None:
    secret = start_session(db, ada.id, user_agent=FIREFOX)
    (row,) = db.execute("SELECT s::text FROM sessions s").fetchall()
    assert secret not in row[0]
    assert FIREFOX not in row[0]


async def test_a_session_is_over_a_month_after_its_last_use(
    db: Connection, pool: Pool, ada: User
) -> None:
    cookie = start_session(db, ada.id)
    age(db, "29 days 23 hours")
    assert await by_session(pool, cookie)
    age(db, "29 days 23 hours")  # used a moment ago, and not used again since
    assert await by_session(pool, cookie)
    age(db, "30 days 1 second")
    assert await by_session(pool, cookie) is None
    assert sessions(db, ada.id) == []


async def test_a_session_ends_for_its_own_user_only(db: Connection, pool: Pool, ada: User) -> None:
    eve = add_user(db, "eve@example.org", "Eve")
    cookie = start_session(db, ada.id)
    (session,) = sessions(db, ada.id)
    assert not end_session(db, session.id, user_id=eve.id)
    assert await by_session(pool, cookie)
    assert end_session(db, session.id, user_id=ada.id)
    assert await by_session(pool, cookie) is None


async def test_a_user_can_be_signed_out_everywhere(db: Connection, pool: Pool, ada: User) -> None:
    cookies = [start_session(db, ada.id) for _ in range(3)]
    assert end_all_sessions(db, ada.id) == 3
    assert [await by_session(pool, cookie) for cookie in cookies] == [None] * 3


async def test_a_removed_user_is_signed_out(db: Connection, pool: Pool, ada: User) -> None:
    cookie = start_session(db, ada.id)
    remove_user(db, ada.id)
    assert await by_session(pool, cookie) is None


@pytest.mark.parametrize("cookie", ["", "a", "é" * 43, "a" * 42 + "\x00", "a" * 44])
async def test_a_malformed_cookie_is_of_no_session(pool: Pool, cookie: str) -> None:
    assert not is_well_formed(cookie)
    assert await by_session(pool, cookie) is None


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        ("curl/8", "a browser"),
    ],
)
def test_a_session_is_recognised_by_browser_and_system(user_agent: str, name: str) -> None:
    assert device(user_agent) == name
