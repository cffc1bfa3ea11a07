"""Tokens: their form, how long they are good, and whom they stand for when they come back."""

from datetime import UTC, datetime, timedelta

import pytest

from keepsake.accounts.permissions import PERMISSIONS
from keepsake.accounts.principal import Access, Principal, by_token
from keepsake.accounts.tokens import (
    create_token,
    expiry,
    find_token,
    hash_of,
    is_well_formed,
    new_secret,
    revoke_token,
    tokens,
)
from keepsake.accounts.users import User, add_user, remove_member, remove_user, set_role
from keepsake.database import Connection, Pool
from keepsake.errors import InvalidInput
from keepsake.owners.owners import Owner

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)

# -- the form -----------------------------------------------------------------------------------


def test_a_token_has_the_prefix_and_a_checksum_and_is_never_the_same() -> None:
    made = [new_secret() for _ in range(100)]
    assert len(set(made)) == 100
    assert all(len(secret) == 40 and secret.startswith("ksp_") for secret in made)
    assert all(is_well_formed(secret) for secret in made)


def test_the_checksum_is_the_crc32_of_the_random_part_in_base62() -> None:
    assert is_well_formed("ksp_" + "0" * 30 + "2C8GjS")  # 2,011,552,642


@pytest.mark.parametrize(
    "wrong",
    ["", "ksp_", "hello", "ksp_" + "0" * 36, "ghp_" + "0" * 36, "ksp_\x00", "ksp_é" + "0" * 35],
)
def test_what_is_no_token_is_told_by_its_form(wrong: str) -> None:
    assert not is_well_formed(wrong)


def test_a_mistyped_token_is_told_by_its_checksum() -> None:
    secret = new_secret()
    for place in range(4, 40):
        other = "a" if secret[place] != "a" else "b"
        assert not is_well_formed(secret[:place] + other + secret[place + 1 :])
    assert not is_well_formed(secret + "\n")


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("12H", NOW + timedelta(hours=12)),
        ("2026-05-04", datetime(2026, 5, 5, tzinfo=UTC)),
        ("never", None),
    ],
)
def test_how_long_a_token_is_good_is_said_in_days_hours_or_a_last_day(
    text: str, until: datetime | None
) -> None:
    assert expiry(text, NOW) == until


@pytest.mark.parametrize("text", ["", "90", "soon", "-1d", "2026-02-30", "9999-12-31", "0d"])
def test_what_says_not_how_long_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="like 90d"):
        expiry(text, NOW)


def test_a_day_that_is_past_is_refused() -> None:
    with pytest.raises(InvalidInput, match="past"):
        expiry("2026-05-03", NOW)


# -- what is kept -------------------------------------------------------------------------------


def test_the_token_itself_is_not_stored(db: Connection, family: Owner) -> None:
    secret, token = create_token(db, "phone", owner_id=family.id, scopes=["read"])
    stored = db.execute("SELECT hash, tokens::text FROM tokens").fetchone()
    assert stored is not None
    assert stored[0] == hash_of(secret)
    assert secret[8:-4] not in stored[1]
    assert (token.prefix, token.last_four) == (secret[:8], secret[-4:])


def test_scopes_are_of_a_closed_list(db: Connection, family: Owner) -> None:
    with pytest.raises(InvalidInput, match="no scope 'root': choose of read, ingest"):
        create_token(db, "phone", owner_id=family.id, scopes=["read", "root"])
    with pytest.raises(InvalidInput, match="needs a scope"):
        create_token(db, "phone", owner_id=family.id)
    with pytest.raises(InvalidInput, match="no scopes"):
        create_token(db, "admin", owner_id=None, scopes=["read"])
    assert tokens(db) == []


def test_an_owner_sees_its_own_tokens_newest_first(
    db: Connection, family: Owner, runner: Owner
) -> None:
    for owner, name in ((family, "phone"), (runner, "watch"), (family, "radio")):
        create_token(db, name, owner_id=owner.id, scopes=["read"])
    create_token(db, "admin", owner_id=None)
    assert [token.name for token in tokens(db, family.id)] == ["radio", "phone"]
    assert len(tokens(db)) == 4


def test_a_token_that_is_not_there_cannot_be_revoked(db: Connection) -> None:
    with pytest.raises(InvalidInput, match="no token 7"):
        revoke_token(db, 7)


# -- whom it stands for -------------------------------------------------------------------------


async def test_a_token_may_do_what_its_scopes_say_for_its_owner(
    db: Connection, pool: Pool, family: Owner, runner: Owner
) -> None:
    secret, token = create_token(db, "phone", owner_id=family.id, scopes=["ingest", "read"])
    access = Access(family.id, "miller", frozenset({"read", "ingest"}))
    principal = await by_token(pool, secret)
    assert principal == Principal(None, "phone", False, {family.id: access}, token_id=token.id)
    assert principal.may(family.id, "ingest")
    assert not principal.may(family.id, "edit")
    assert not principal.may(runner.id, "read")


async def test_a_users_token_may_not_do_more_than_the_user_at_that_time(
    db: Connection, pool: Pool, family: Owner, ada: User
) -> None:
    secret, _ = create_token(
        db, "phone", owner_id=family.id, user_id=ada.id, scopes=["read", "edit", "manage"]
    )
    for role, permissions in (
        ("editor", {"read", "edit"}),
        ("viewer", {"read"}),
        ("owner", {"read", "edit", "manage"}),
    ):
        set_role(db, owner_id=family.id, user_id=ada.id, role=role)
        principal = await by_token(pool, secret)
        assert principal is not None
        assert (principal.user_id, principal.name) == (ada.id, "Ada")
        assert principal.owners[family.id].permissions == permissions


async def test_an_admins_token_may_do_everything(db: Connection, pool: Pool, family: Owner) -> None:
    secret, _ = create_token(db, "nightly", owner_id=None)
    principal = await by_token(pool, secret)
    assert principal is not None
    assert principal.operator
    assert all(principal.may(family.id, permission) for permission in PERMISSIONS)


async def test_an_admins_token_ends_when_its_user_is_no_operator_any_more(
    db: Connection, pool: Pool
) -> None:
    eve = add_user(db, "eve@example.org", "Eve", operator=True)
    secret, _ = create_token(db, "nightly", owner_id=None, user_id=eve.id)
    assert await by_token(pool, secret)
    db.execute("UPDATE users SET operator = false")
    assert await by_token(pool, secret) is None


async def test_an_operators_token_for_one_owner_is_for_that_owner_only(
    db: Connection, pool: Pool, family: Owner, runner: Owner
) -> None:
    eve = add_user(db, "eve@example.org", "Eve", operator=True)
    set_role(db, owner_id=family.id, user_id=eve.id, role="owner")
    secret, _ = create_token(db, "phone", owner_id=family.id, user_id=eve.id, scopes=["read"])
    principal = await by_token(pool, secret)
    assert principal is not None
    assert not principal.may(runner.id, "read")


async def test_unknown_revoked_and_expired_tokens_are_all_of_nobody(
    db: Connection, pool: Pool, family: Owner
) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    revoked, token = create_token(db, "lost", owner_id=family.id, scopes=["read"])
    expired, _ = create_token(db, "old", owner_id=family.id, scopes=["read"], expires_at=past)
    assert revoke_token(db, token.id).revoked_at == revoke_token(db, token.id).revoked_at
    for secret in (revoked, expired, new_secret(), "ksp_", "\x00", "é"):
        assert await by_token(pool, secret) is None


async def test_a_token_is_gone_with_its_owner_its_user_and_the_membership(
    db: Connection, pool: Pool, family: Owner, ada: User
) -> None:
    of_ada, _ = create_token(db, "a", owner_id=family.id, user_id=ada.id, scopes=["read"])
    of_family, _ = create_token(db, "b", owner_id=family.id, scopes=["read"])
    assert remove_member(db, owner_id=family.id, user_id=ada.id)
    assert await by_token(pool, of_ada) is None
    assert await by_token(pool, of_family)
    db.execute("DELETE FROM owners WHERE id = %s", (family.id,))
    assert await by_token(pool, of_family) is None
    db.execute("UPDATE users SET operator = true")
    admins, _ = create_token(db, "c", owner_id=None, user_id=ada.id)
    remove_user(db, ada.id)
    assert await by_token(pool, admins) is None


async def test_the_last_use_is_noted_once_a_minute(
    db: Connection, pool: Pool, family: Owner
) -> None:
    secret, token = create_token(db, "phone", owner_id=family.id, scopes=["read"])
    assert token.last_used_at is None
    await by_token(pool, secret)
    first = find_token(db, token.id).last_used_at
    assert first is not None
    await by_token(pool, secret)
    assert find_token(db, token.id).last_used_at == first
    db.execute("UPDATE tokens SET last_used_at = now() - interval '61 seconds'")
    await by_token(pool, secret)
    again = find_token(db, token.id).last_used_at
    assert again is not None
    assert again > first
