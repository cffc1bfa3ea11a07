"""The outbox: a message is sent at most once, and never lost without a trace."""

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from starlette.responses import Response

from keepsake.database import Connection, Pool, open_pool
from keepsake.delivery.notifications import notify
from keepsake.delivery.outbox import (
    ABANDONED,
    ATTEMPTS,
    NewMessage,
    deliver,
    enqueue,
    forget_record,
    messages,
    undelivered,
)
from keepsake.errors import SettingsError
from keepsake.owners.owners import add_owner
from keepsake.records.deletion import delete_record
from keepsake.settings import Settings, load_settings
from tests.doubles.webhook import Webhook
from tests.given import given_record
from tests.metrics.reading import total

TOMORROW = datetime.now(UTC) + timedelta(days=1)


def message(owner_id: int = 1, key: str = "test/1", **fields: Any) -> NewMessage:
    return NewMessage(
        owner_id,
        "test",
        key,
        **{"title": "A title", "body": "Sing to it.", "expires_at": TOMORROW, **fields},
    )


async def put(pool: Pool, *new: NewMessage) -> None:
    async with pool.connection() as connection:
        for each in new:
            await enqueue(connection, each)


def rows(db: Connection) -> list[dict[str, Any]]:
    with db.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM outbox ORDER BY id").fetchall()


def the_pause_passes(db: Connection) -> None:
    db.execute("UPDATE outbox SET due_at = now() WHERE status = 'pending'")


# -- enqueuing ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ada")
async def test_a_message_is_enqueued_once_for_an_owner_and_key(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    add_owner(db, "Ben")
    async with pool.connection() as connection:
        assert await enqueue(connection, message())
        assert not await enqueue(connection, message(body="Another text."))
        assert await enqueue(connection, message(owner_id=2))
        await deliver(pool, settings)
        assert not await enqueue(connection, message()), "it was sent"
    await deliver(pool, settings)
    assert webhook.messages == ["A title\nSing to it."] * 2


@pytest.mark.usefixtures("ada")
async def test_a_message_of_a_transaction_that_is_rolled_back_is_not_sent(
    pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    async with pool.connection() as connection, connection.transaction(force_rollback=True):
        await enqueue(connection, message())
    assert await deliver(pool, settings) == []
    assert webhook.messages == []


# -- at most once ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("ada")
async def test_two_senders_at_once_send_each_message_once(
    database_url: str, pool: Pool, settings: Settings, webhook: Webhook, db: Connection
) -> None:
    await put(pool, *(message(key=f"test/{n}", body=f"Number {n}.") for n in range(30)))
    async with open_pool(database_url) as another:
        results = await asyncio.gather(deliver(pool, settings), deliver(another, settings))
    assert sorted(webhook.messages) == sorted(f"A title\nNumber {n}." for n in range(30))
    assert sum(map(len, results)) == 30
    assert {row["status"] for row in rows(db)} == {"sent"}


@pytest.mark.usefixtures("ada")
async def test_what_is_sent_just_now_is_not_taken_by_another(
    pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    webhook.open.clear()
    await put(pool, message())
    first = asyncio.create_task(deliver(pool, settings))
    await asyncio.to_thread(webhook.asked.wait, 10)
    assert await deliver(pool, settings) == []
    webhook.open.set()
    assert [result.status for result in await first] == ["sent"]


SENDER = """
import asyncio
from keepsake.database import open_pool
from keepsake.delivery.outbox import deliver
from keepsake.settings import load_settings

async def main():
    async with open_pool(load_settings().database_url) as pool:
        await deliver(pool, load_settings())

asyncio.run(main())
"""


@pytest.mark.usefixtures("ada", "settings")
async def test_a_send_that_was_killed_is_not_repeated_and_ends_as_unknown(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    webhook.open.clear()
    await put(pool, message())
    sender = await asyncio.create_subprocess_exec(sys.executable, "-c", SENDER)
    assert await asyncio.to_thread(webhook.asked.wait, 30), "it has reached the receiver"
    sender.kill()
    await sender.wait()
    webhook.open.set()
    assert await deliver(pool, settings) == []
    assert rows(db)[0]["status"] == "sending"
    db.execute("UPDATE outbox SET claimed_at = claimed_at - %s", (ABANDONED,))
    for expected in (["unknown"], []):
        assert [result.status for result in await deliver(pool, settings)] == expected
    assert len(webhook.messages) == 1
    assert messages(db)[0].detail == "broke off while it was sent"
    assert undelivered(db, since=timedelta(days=1)) == {"unknown": 1}


@pytest.mark.usefixtures("ada")
async def test_a_receiver_that_does_not_answer_in_time_may_have_taken_it(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    webhook.open.clear()
    monkeypatch.setattr(
        "keepsake.delivery.channels.notify", lambda *a, **k: notify(*a, **k, seconds=0.2)
    )
    await put(pool, message())
    [result] = await deliver(pool, settings)
    assert (result.status, result.detail) == (
        "unknown", "0 of 1 address took it; no answer within 0.2 s: JSON",
    )  # fmt: skip
    webhook.open.set()
    the_pause_passes(db)
    assert await deliver(pool, settings) == []


@pytest.mark.usefixtures("ada")
async def test_a_sender_that_was_only_slow_still_counts(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    """Another process has given it up meanwhile."""
    webhook.open.clear()
    await put(pool, message())
    slow = asyncio.create_task(deliver(pool, settings))
    await asyncio.to_thread(webhook.asked.wait, 10)
    db.execute("UPDATE outbox SET claimed_at = claimed_at - %s", (ABANDONED,))
    assert [result.status for result in await deliver(pool, settings)] == ["unknown"]
    webhook.open.set()
    assert [result.status for result in await slow] == ["sent"]
    assert rows(db)[0]["status"] == "sent"


@pytest.mark.usefixtures("ada")
async def test_no_transaction_is_open_on_the_outbox_while_a_message_is_sent(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("keepsake.delivery.outbox.SENDERS", 1)  # no other looks for a message
    webhook.open.clear()
    await put(pool, message())
    sending = asyncio.create_task(deliver(pool, settings))
    assert await asyncio.to_thread(webhook.asked.wait, 10)
    locks = db.execute(
        "SELECT mode FROM pg_locks WHERE relation = 'outbox'::regclass"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND pid <> pg_backend_pid()"
    ).fetchall()
    db.execute("SELECT FROM outbox FOR UPDATE NOWAIT")
    webhook.open.set()
    assert [result.status for result in await sending] == ["sent"]
    assert locks == []


# -- again ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ada")
async def test_what_failed_is_tried_again_after_pauses_that_grow_and_then_given_up(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    webhook.status = 500
    await put(pool, message())
    pauses = []
    for _ in range(ATTEMPTS - 1):
        [result] = await deliver(pool, settings)
        assert result.status == "pending"
        assert await deliver(pool, settings) == [], "before its pause has passed"
        pauses.append(db.execute("SELECT due_at - now() FROM outbox").fetchone())
        the_pause_passes(db)
    minutes = [round(pause[0] / timedelta(minutes=1)) for pause in pauses if pause]
    assert minutes == [1, 4, 16, 64, 256]
    [result] = await deliver(pool, settings)
    assert (result.status, result.attempts) == ("failed", ATTEMPTS)
    assert result.detail == "0 of 1 address took it; failed: JSON"
    the_pause_passes(db)
    assert await deliver(pool, settings) == []
    assert len(webhook.messages) == ATTEMPTS
    assert undelivered(db, since=timedelta(days=1)) == {"failed": 1}
    assert rows(db)[0]["body"] == "Sing to it.", "a person may send it again"


@pytest.mark.usefixtures("ada")
async def test_what_failed_at_first_can_still_arrive(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    webhook.next(Response(status_code=500))
    await put(pool, message())
    await deliver(pool, settings)
    the_pause_passes(db)
    [result] = await deliver(pool, settings)
    assert (result.status, result.attempts) == ("sent", 2)


@pytest.mark.usefixtures("ada")
async def test_a_message_that_fails_does_not_hold_back_the_others(
    pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    webhook.next(Response(status_code=500))
    await put(pool, *(message(key=f"test/{n}") for n in range(9)))
    results = await deliver(pool, settings)
    assert sorted(result.status for result in results) == ["pending", *["sent"] * 8]


@pytest.mark.usefixtures("ada")
async def test_what_breaks_in_a_service_does_not_hold_back_the_others(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    async def breaks(*urls: Any, body: str, **options: Any) -> Any:
        if body == "breaks":
            raise ZeroDivisionError("secret words")
        return await notify(*urls, body=body, **options)

    monkeypatch.setattr("keepsake.delivery.channels.notify", breaks)
    await put(pool, message(body="breaks"), *(message(key=f"test/{n}") for n in range(2, 9)))
    await deliver(pool, settings)
    assert [row["status"] for row in rows(db)] == ["unknown", *["sent"] * 7]
    assert rows(db)[0]["detail"] == "broke off while it was sent: ZeroDivisionError"


# -- waiting and expiring -------------------------------------------------------------------------


@pytest.mark.usefixtures("ada")
async def test_without_an_address_a_message_waits_for_one(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    await put(pool, message())
    nowhere = settings.model_copy(update={"notify_urls": type(settings.notify_urls)("")})
    assert await deliver(pool, nowhere) == []
    [row] = rows(db)
    assert (row["status"], row["attempts"], row["detail"]) == (
        "pending", 0, "no address to send to",
    )  # fmt: skip
    the_pause_passes(db)
    assert [result.status for result in await deliver(pool, settings)] == ["sent"]


@pytest.mark.usefixtures("ada")
async def test_a_message_that_was_not_sent_in_time_expires(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    webhook.status = 500
    await put(pool, message(), message(key="test/2", expires_at=datetime.now(UTC)))
    first = await deliver(pool, settings)
    assert [(result.id, result.status) for result in first] == [(2, "expired"), (1, "pending")]
    db.execute("UPDATE outbox SET expires_at = now(), due_at = now()")
    webhook.status = 200
    assert [result.status for result in await deliver(pool, settings)] == ["expired"]
    assert len(webhook.messages) == 1
    assert [(row["status"], row["detail"], row["body"]) for row in rows(db)] == [
        ("expired", "0 of 1 address took it; failed: JSON", None),
        ("expired", "was not sent in time", None),
    ]


@pytest.mark.usefixtures("ada")
async def test_a_message_waits_until_it_is_due(
    db: Connection, pool: Pool, settings: Settings
) -> None:
    await put(pool, message())
    db.execute("UPDATE outbox SET due_at = now() + interval '1 hour'")
    assert await deliver(pool, settings) == []


@pytest.mark.usefixtures("ada")
async def test_after_its_time_no_message_is_begun(
    db: Connection, pool: Pool, settings: Settings
) -> None:
    await put(pool, message())
    assert await deliver(pool, settings, begin_within=0) == []
    assert rows(db)[0]["status"] == "pending"


# -- nothing lost ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("ada")
async def test_nothing_is_lost_while_the_receiver_is_away(
    db: Connection, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_URLS", "json://127.0.0.1:9")
    await put(pool, message())
    [result] = await deliver(pool, load_settings())
    assert (result.status, result.detail) == ("pending", "0 of 1 address took it; failed: JSON")
    assert rows(db)[0]["body"] == "Sing to it."


@pytest.mark.usefixtures("ada")
async def test_addresses_that_cannot_be_read_lose_no_message(db: Connection, pool: Pool) -> None:
    await put(pool, message())
    broken = Settings.model_validate({"notify_config": "/there/is/none.yml"})
    with pytest.raises(SettingsError, match="NOTIFY_CONFIG"):
        await deliver(pool, broken)
    [row] = rows(db)
    assert (row["status"], row["attempts"]) == ("pending", 0)


@pytest.mark.usefixtures("ada")
async def test_a_database_that_goes_away_while_a_message_is_sent_has_it_sent_once(
    db: Connection, database_url: str, settings: Settings, webhook: Webhook
) -> None:
    webhook.open.clear()
    async with open_pool(database_url) as pool:
        await put(pool, message())
        sending = asyncio.create_task(deliver(pool, settings))
        await asyncio.to_thread(webhook.asked.wait, 10)
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        webhook.open.set()
        try:
            await sending
        except psycopg.OperationalError:
            db.execute("UPDATE outbox SET claimed_at = claimed_at - %s", (ABANDONED,))
        await deliver(pool, settings)
    assert len(webhook.messages) == 1
    assert {row["status"] for row in rows(db)} <= {"sent", "unknown"}


# -- content --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ada")
async def test_content_is_neither_logged_nor_kept_after_it_is_sent(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    webhook.next(Response("Sing to it.", status_code=500))
    await put(pool, message())
    results = await deliver(pool, settings)
    the_pause_passes(db)
    results += await deliver(pool, settings)
    assert [result.status for result in results] == ["pending", "sent"]
    assert "Sing" not in json.dumps([*map(str, results), *map(repr, messages(db))])
    assert "Sing" not in json.dumps(rows(db), default=str)
    assert "Sing" not in caplog.text


@pytest.mark.usefixtures("ada")
async def test_what_quotes_a_deleted_record_is_not_sent_and_keeps_nothing_of_it(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    db.execute(
        "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
        " VALUES ('toy', 1, 'a', '2026-05-04', '')"
    )
    webhook.status = 500
    await put(pool, message(record_id=1, position=0))
    await deliver(pool, settings)
    delete_record(db, 1, 1)
    webhook.status = 200
    the_pause_passes(db)
    assert await deliver(pool, settings) == []
    [row] = rows(db)
    assert (row["status"], row["detail"]) == ("expired", "its record was deleted")
    assert "Sing" not in json.dumps(row, default=str)


# -- counting --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ada")
async def test_a_message_is_counted_with_what_became_of_it(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    await put(pool, message(key="sent"), message(key="late", expires_at=datetime.now(UTC)))
    await deliver(pool, settings)
    webhook.next(*[Response(status_code=500)] * ATTEMPTS)
    await put(pool, message(key="failed"))
    for _ in range(ATTEMPTS):
        the_pause_passes(db)
        await deliver(pool, settings)
    assert total(db, "keepsake_messages_total") == {
        ("test", "sent"): 1,
        ("test", "expired"): 1,
        ("test", "failed"): 1,
    }


@pytest.mark.usefixtures("ada")
async def test_a_message_about_a_record_that_is_deleted_is_counted_as_expired(
    db: Connection, pool: Pool
) -> None:
    record_id = given_record(db, line="family", owner_id=1, external_id="x").record_id
    await put(pool, message(record_id=record_id))
    with db.transaction():
        forget_record(db, record_id)
        forget_record(db, record_id)
    assert total(db, "keepsake_messages_total") == {("test", "expired"): 1}
