"""The audit log: who wrote what, noted with the write; and how long things are kept."""

from contextlib import suppress

import pytest
from psycopg.errors import CheckViolation, InsufficientPrivilege

from keepsake.accounts.audit import record_write, writes
from keepsake.accounts.principal import Principal
from keepsake.accounts.retention import (
    delete_old_requests,
    delete_old_sign_ins,
    delete_old_writes,
)
from keepsake.accounts.sessions import sessions, start_session
from keepsake.accounts.sign_in import request_sign_in
from keepsake.accounts.tokens import create_token
from keepsake.accounts.users import User, remove_user
from keepsake.database import Connection, Pool, as_owner, owner_transaction
from keepsake.owners.owners import Owner


def test_a_write_says_who_what_and_when(db: Connection, family: Owner, ada: User) -> None:
    _, token = create_token(db, "phone", owner_id=family.id, user_id=ada.id, scopes=["edit"])
    who = Principal(ada.id, "Ada", token_id=token.id)
    record_write(db, who, "record.delete", owner_id=family.id, record_id=12)
    record_write(db, None, "user.remove", owner_id=None, detail="user 7")
    shell, write = writes(db)
    assert (write.owner, write.user, write.token) == ("miller", "Ada", "phone")
    assert (write.action, write.record_id, write.detail) == ("record.delete", 12, "")
    assert (shell.owner, shell.user, shell.token, shell.detail) == (None, None, None, "user 7")


async def test_a_write_is_noted_in_the_transaction_that_makes_it(
    db: Connection, pool: Pool, family: Owner
) -> None:
    async with owner_transaction(pool, family.id) as connection:
        await record_write(connection, None, "story.edit", owner_id=family.id, record_id=1)
        with suppress(ZeroDivisionError):
            async with connection.transaction():
                await record_write(connection, None, "story.edit", owner_id=family.id, record_id=2)
                raise ZeroDivisionError
    assert [write.record_id for write in writes(db)] == [1]


def test_an_owner_reads_its_own_and_adds_none_of_another(
    db: Connection, family: Owner, runner: Owner
) -> None:
    for owner_id in (family.id, runner.id, None):
        record_write(db, None, "record.add", owner_id=owner_id)
    with as_owner(db, family.id):
        assert [write.owner for write in writes(db)] == ["miller"]
    for owner_id in (runner.id, None):
        with pytest.raises(InsufficientPrivilege), as_owner(db, family.id):
            record_write(db, None, "record.add", owner_id=owner_id)


def test_a_write_outlives_its_user_but_not_its_owner(
    db: Connection, family: Owner, ada: User
) -> None:
    record_write(db, Principal(ada.id, "Ada"), "record.add", owner_id=family.id)
    remove_user(db, ada.id)
    (write,) = writes(db)
    assert (write.user_id, write.user) == (ada.id, None)
    db.execute("DELETE FROM owners WHERE id = %s", (family.id,))
    assert writes(db) == []


def test_an_action_is_a_thing_and_what_was_done_with_it(db: Connection) -> None:
    with pytest.raises(CheckViolation):
        record_write(db, None, "Deleted the record", owner_id=None)


def test_older_entries_are_read_page_by_page(db: Connection, family: Owner) -> None:
    for number in range(5):
        record_write(db, None, "record.add", owner_id=family.id, record_id=number)
    first = writes(db, owner_id=family.id, limit=3)
    then = writes(db, owner_id=family.id, before_id=first[-1].id, limit=3)
    assert [write.record_id for write in first + then] == [4, 3, 2, 1, 0]


def test_what_is_over_is_deleted_and_the_rest_is_kept(db: Connection, ada: User) -> None:
    start_session(db, ada.id)
    db.execute("UPDATE sessions SET last_used_at = now() - interval '31 days'")
    start_session(db, ada.id)
    request_sign_in(db, "ada@example.org")
    db.execute("UPDATE sign_in_requests SET created_at = now() - interval '3 days'")
    request_sign_in(db, "ada@example.org")
    assert delete_old_sign_ins(db) == 2
    assert len(sessions(db, ada.id)) == 1
    record_write(db, None, "record.add", owner_id=None)
    db.execute("UPDATE audit_log SET at = now() - interval '366 days'")
    record_write(db, None, "record.add", owner_id=None)
    assert delete_old_writes(db, 365) == 1
    assert len(writes(db)) == 1


def test_answers_by_key_and_counts_are_kept_for_a_day(db: Connection) -> None:
    for day in ("1 day 1 hour", "23 hours"):
        db.execute(
            "INSERT INTO idempotency_keys (key, fingerprint, answer, created_at)"
            " VALUES (%(ago)s::text, '', '{}', now() - %(ago)s::text::interval)",
            {"ago": day},
        )
        db.execute(
            "INSERT INTO rate_limits VALUES"
            " (%(ago)s::text::bytea, extract(epoch FROM now() - %(ago)s::text::interval) / 60, 1)",
            {"ago": day},
        )
    assert delete_old_requests(db) == 2
    assert db.execute("SELECT key FROM idempotency_keys").fetchall() == [("23 hours",)]
