"""Batches: their owner is notified once that all is done, with counts and cost, no content."""

from typing import Any

import dagster as dg
import pytest

from keepsake import import_messages
from keepsake.database import Connection, Pool
from keepsake.delivery.outbox import ATTEMPTS, Result, deliver
from keepsake.import_messages import enqueue_import_messages
from keepsake.records.batches import batches, finish_batch, start_batch
from keepsake.settings import Settings, load_settings
from resources.database import DatabaseResource
from sensors.batches import imports_done
from sensors.outbox import outbox
from tests.doubles.webhook import Webhook
from tests.given import on_connection


@pytest.fixture(autouse=True)
def _ada(ada: int) -> None:
    """Whose imports they are."""


def take_in(db: Connection, records: int = 3, *, duplicates: int = 0, rejected: int = 0) -> int:
    """An import of Ada's that is over, with due letters and insights; its id."""
    batch_id = on_connection(db, start_batch, 1, "running", "export.zip")
    db.execute(
        "WITH added AS (INSERT INTO records"
        " (line, owner_id, external_id, recorded_at, content_hash, batch_id)"
        " SELECT 'running', 1, %(batch)s || '/' || i, '2026-05-04', '', %(batch)s"
        " FROM generate_series(1, %(records)s) AS i RETURNING id)"
        " INSERT INTO ledger (record_id, owner_id, step, line, due_at)"
        " SELECT id, 1, name, line, now() FROM added, steps WHERE line = 'running'",
        {"batch": batch_id, "records": records},
    )
    on_connection(
        db, finish_batch, 1, batch_id, created=records, duplicates=duplicates, rejected=rejected
    )
    return batch_id


def done(db: Connection, **columns: Any) -> None:
    """All that is open is made."""
    values = {"status": "succeeded", "due_at": None, **columns}
    changes = ", ".join(f"{name} = %({name})s" for name in values)
    db.execute(f"UPDATE ledger SET {changes} WHERE due_at IS NOT NULL".encode(), values)


async def complete(pool: Pool) -> list[int]:
    """The ids of the batches that are complete, without a message so far."""
    async with pool.connection() as connection:
        return [batch.id for batch in await import_messages.complete_batches(connection)]


async def notify_all(pool: Pool, settings: Settings) -> list[Result]:
    """What the sensors do."""
    await enqueue_import_messages(pool)
    return await deliver(pool, settings)


# -- when -----------------------------------------------------------------------------------------


async def test_a_batch_is_complete_when_nothing_of_it_is_open(db: Connection, pool: Pool) -> None:
    batch_id = take_in(db)
    assert await complete(pool) == []
    done(db)
    assert await complete(pool) == [batch_id]


async def test_a_batch_is_not_complete_while_more_is_taken_in(db: Connection, pool: Pool) -> None:
    take_in(db)
    done(db)
    db.execute("UPDATE batches SET taken_in_at = NULL")
    assert await complete(pool) == []


async def test_what_other_records_wait_for_does_not_hold_a_batch_back(
    db: Connection, pool: Pool
) -> None:
    first = take_in(db)
    done(db)
    take_in(db)
    assert await complete(pool) == [first]


async def test_an_import_of_nothing_new_is_not_worth_a_message(db: Connection, pool: Pool) -> None:
    take_in(db, records=0, duplicates=7)
    assert await complete(pool) == []


# -- what -----------------------------------------------------------------------------------------


async def test_the_owner_reads_what_became_of_it_and_what_it_cost(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    take_in(db, 4, duplicates=2, rejected=1)
    db.execute("UPDATE ledger SET status = 'failed', due_at = NULL"
               " WHERE step = 'letters' AND record_id = 1")  # fmt: skip
    db.execute("UPDATE ledger SET hold_reason = 'tier', due_at = NULL"
               " WHERE step = 'coaching_insights' AND record_id > 2")  # fmt: skip
    done(db)
    db.execute("UPDATE ledger SET calls = 1, cost = 0.081 WHERE step <> 'activities'")
    [result] = await notify_all(pool, settings)
    assert result.detail == "1 of 1 address took it"
    [message] = webhook.messages
    assert message == (
        "Ada: an import is done\n"
        "4 activities imported (2 duplicates, 1 rejected): 2 coaching insights, 3 letters,"
        " 1 failed, 2 beyond the tier, USD 0.65"
    )


async def test_a_cost_that_is_unknown_is_not_said_to_be_nothing(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    take_in(db, 1)
    done(db, calls=1, cost=None)
    await notify_all(pool, settings)
    assert webhook.messages[0].endswith("USD unknown")


async def test_what_the_budget_puts_off_is_said_and_not_waited_for(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    take_in(db)
    db.execute("UPDATE ledger SET wait_reason = 'budget', due_at = now() + interval '9 days'"
               " WHERE step = 'letters'")  # fmt: skip
    db.execute("UPDATE ledger SET status = 'succeeded', due_at = NULL WHERE step <> 'letters'")
    await notify_all(pool, settings)
    assert webhook.messages[0].endswith("0 letters, 3 over this month's budget")


async def test_what_a_raised_budget_brought_back_is_waited_for(db: Connection, pool: Pool) -> None:
    take_in(db)
    db.execute("UPDATE ledger SET wait_reason = 'budget'")
    assert await complete(pool) == []


# -- once -----------------------------------------------------------------------------------------


async def test_however_often_it_is_checked_there_is_one_message(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    take_in(db)
    done(db)
    async with pool.connection() as connection:
        [seen_by_another] = await import_messages.complete_batches(connection)
        for _ in range(2):
            await notify_all(pool, settings)
        assert not await import_messages.complete(connection, seen_by_another)
    assert await notify_all(pool, settings) == []
    assert len(webhook.messages) == 1


async def test_batches_show_what_became_of_their_message(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    webhook.status = 500
    take_in(db)
    assert batches(db)[0].notification is None
    done(db)
    await enqueue_import_messages(pool)
    assert batches(db)[0].notification == "pending"
    await deliver(pool, settings)
    assert batches(db)[0].notification == "pending: 0 of 1 address took it; failed: JSON"
    webhook.status = 200
    db.execute("UPDATE outbox SET due_at = now()")
    await deliver(pool, settings)
    assert batches(db)[0].notification == "sent: 1 of 1 address took it"
    assert batches(db)[0].completed_at is not None


async def test_without_an_address_that_is_shown(db: Connection, pool: Pool) -> None:
    take_in(db)
    done(db)
    await notify_all(pool, load_settings())
    assert batches(db)[0].notification == "pending: no address to send to"
    assert await complete(pool) == []
    db.execute("UPDATE outbox SET expires_at = now()")
    await notify_all(pool, load_settings())
    assert batches(db)[0].notification == "expired: no address to send to"


async def test_a_message_that_could_not_be_written_is_not_lost(
    db: Connection,
    pool: Pool,
    settings: Settings,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_in(db)
    done(db)
    with monkeypatch.context() as broken:
        broken.setattr("keepsake.import_messages.batch_progress", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await notify_all(pool, settings)
    await notify_all(pool, settings)
    assert len(webhook.messages) == 1


def test_the_newest_batch_stands_first(db: Connection) -> None:
    first, second = take_in(db), take_in(db)
    assert [batch.id for batch in batches(db)] == [second, first]
    assert [batch.id for batch in batches(db, limit=1)] == [second]


# -- as Dagster runs it ---------------------------------------------------------------------------


def check() -> str | None:
    """What a tick of the sensor says."""
    return tick(imports_done)


def send() -> str | None:
    """What a tick of the outbox says."""
    return tick(outbox)


def tick(sensor: Any) -> str | None:
    """What one evaluation of a sensor says."""
    settings = load_settings()
    resources = {"database": DatabaseResource(settings=settings), "settings": settings}
    with dg.build_sensor_context(resources=resources) as context:
        reason = sensor(context)
    assert isinstance(reason, dg.SkipReason)
    return reason.skip_message


@pytest.mark.usefixtures("settings")
def test_the_sensors_notify_of_every_complete_batch(db: Connection, webhook: Webhook) -> None:
    assert check() == "no import has become complete"
    take_in(db)
    take_in(db)
    done(db)
    assert check() == "2 imports are done"
    assert send() == "2 of 2 messages sent"
    assert len(webhook.messages) == 2
    assert (check(), send()) == ("no import has become complete", "nothing is due")


def test_no_tick_fails_where_there_is_no_address(
    db: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    take_in(db)
    done(db)
    check()
    assert send() == "nothing is due"
    db.execute("UPDATE outbox SET expires_at = now()")
    assert send() == "0 of 1 messages sent"


@pytest.mark.usefixtures("settings")
def test_a_tick_of_the_outbox_fails_when_a_message_is_given_up(
    db: Connection, webhook: Webhook
) -> None:
    webhook.status = 500
    take_in(db)
    done(db)
    check()
    assert send() == "0 of 1 messages sent"
    db.execute("UPDATE outbox SET due_at = now(), attempts = %s", (ATTEMPTS - 1,))
    with pytest.raises(dg.Failure, match="1 messages were not sent"):
        send()
