"""Batches: their owner hears once that all is done, with counts and the cost, no content."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from starlette.requests import Request
from starlette.responses import Response

from keepsake.database import Connection, connect
from keepsake.errors import SettingsError
from keepsake.owners.owners import add_owner
from keepsake.records.batches import batches, complete_batches, finish_batch, start_batch, tell
from keepsake.settings import Settings, load_settings
from resources.database import DatabaseResource
from sensors.batches import imports_done
from tests.doubles.server import Double, serving


class Webhook(Double):
    """Takes messages as apprise's json:// sends them, unless its `status` says otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 200

    async def answer(self, request: Request) -> Response:
        return Response(status_code=self.status)

    @property
    def messages(self) -> list[str]:
        """Title and text of each message."""
        return [f"{seen.json['title']}\n{seen.json['message']}" for seen in self.seen]


@pytest.fixture
def webhook() -> Webhook:
    return Webhook()


@pytest.fixture
def settings(
    webhook: Webhook, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings that send every message to the webhook."""
    with serving(webhook) as address:
        monkeypatch.setenv("NOTIFY_URLS", address.replace("http:", "json:"))
        monkeypatch.setenv("DATABASE_URL", database_url)
        yield load_settings()


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        add_owner(connection, "Ada")
        yield connection


def take_in(db: Connection, records: int = 3, *, known: int = 0, refused: int = 0) -> int:
    """An import of Ada's that is over, with due letters and insights; its id."""
    batch_id = start_batch(db, 1, "running", "export.zip")
    db.execute(
        "WITH added AS (INSERT INTO records"
        " (line, owner_id, external_id, recorded_at, content_hash, batch_id)"
        " SELECT 'running', 1, %(batch)s || '/' || i, '2026-05-04', '', %(batch)s"
        " FROM generate_series(1, %(records)s) AS i RETURNING id)"
        " INSERT INTO ledger (record_id, step, line, due_at)"
        " SELECT id, name, line, now() FROM added, steps WHERE line = 'running'",
        {"batch": batch_id, "records": records},
    )
    finish_batch(db, batch_id, added=records, known=known, refused=refused)
    return batch_id


def done(db: Connection, **columns: Any) -> None:
    """All that is open is made."""
    values = {"status": "succeeded", "due_at": None, **columns}
    changes = ", ".join(f"{name} = %({name})s" for name in values)
    db.execute(f"UPDATE ledger SET {changes} WHERE due_at IS NOT NULL".encode(), values)


async def tell_all(db: Connection, settings: Settings) -> list[str | None]:
    """What the sensor does."""
    return [await tell(db, settings, batch) for batch in complete_batches(db)]


# -- when -----------------------------------------------------------------------------------------


def test_a_batch_is_complete_when_nothing_of_it_is_open(db: Connection) -> None:
    batch_id = take_in(db)
    assert complete_batches(db) == []
    done(db)
    assert [batch.id for batch in complete_batches(db)] == [batch_id]


def test_a_batch_is_not_complete_while_more_is_taken_in(db: Connection) -> None:
    take_in(db)
    done(db)
    db.execute("UPDATE batches SET taken_in_at = NULL")
    assert complete_batches(db) == []


def test_what_other_records_wait_for_does_not_hold_a_batch_back(db: Connection) -> None:
    first = take_in(db)
    done(db)
    take_in(db)
    assert [batch.id for batch in complete_batches(db)] == [first]


def test_an_import_of_nothing_new_is_not_worth_a_message(db: Connection) -> None:
    take_in(db, records=0, known=7)
    assert complete_batches(db) == []


# -- what -----------------------------------------------------------------------------------------


async def test_the_owner_hears_what_became_of_it_and_what_it_cost(
    db: Connection, settings: Settings, webhook: Webhook
) -> None:
    take_in(db, 4, known=2, refused=1)
    db.execute("UPDATE ledger SET status = 'failed', due_at = NULL"
               " WHERE step = 'letters' AND record_id = 1")  # fmt: skip
    db.execute("UPDATE ledger SET held = 'tier', due_at = NULL"
               " WHERE step = 'coaching_insights' AND record_id > 2")  # fmt: skip
    done(db)
    db.execute("UPDATE ledger SET calls = 1, cost = 0.081 WHERE step <> 'activities'")
    assert await tell_all(db, settings) == ["1 of 1 address took it"]
    [message] = webhook.messages
    assert message == (
        "Ada: an import is done\n"
        "4 activities taken in (2 known already, 1 refused): 2 coaching insights, 3 letters,"
        " 1 failed, 2 beyond the tier, USD 0.65"
    )


async def test_a_cost_that_is_unknown_is_not_told_as_nothing(
    db: Connection, settings: Settings, webhook: Webhook
) -> None:
    take_in(db, 1)
    done(db, calls=1, cost=None)
    await tell_all(db, settings)
    assert webhook.messages[0].endswith("USD unknown")


async def test_what_the_budget_puts_off_is_told_and_not_waited_for(
    db: Connection, settings: Settings, webhook: Webhook
) -> None:
    take_in(db)
    db.execute("UPDATE ledger SET error_type = 'OverBudget', due_at = now() + interval '9 days'"
               " WHERE step = 'letters'")  # fmt: skip
    db.execute("UPDATE ledger SET status = 'succeeded', due_at = NULL WHERE step <> 'letters'")
    await tell_all(db, settings)
    assert webhook.messages[0].endswith("0 letters, 3 over this month's budget")


def test_what_a_raised_budget_brought_back_is_waited_for(db: Connection) -> None:
    take_in(db)
    db.execute("UPDATE ledger SET error_type = 'OverBudget'")
    assert complete_batches(db) == []


# -- once -----------------------------------------------------------------------------------------


async def test_however_often_it_is_looked_at_it_is_told_once(
    db: Connection, settings: Settings, webhook: Webhook
) -> None:
    take_in(db)
    done(db)
    [seen_by_another] = complete_batches(db)
    for _ in range(2):
        await tell_all(db, settings)
    assert await tell(db, settings, seen_by_another) is None
    assert len(webhook.messages) == 1


async def test_a_message_that_could_not_be_sent_is_noted_and_not_repeated(
    db: Connection, settings: Settings, webhook: Webhook
) -> None:
    webhook.status = 500
    take_in(db)
    done(db)
    for _ in range(2):
        await tell_all(db, settings)
    assert len(webhook.messages) == 1
    assert batches(db)[0].told == "0 of 1 address took it; failed: JSON"


async def test_without_an_address_it_is_noted_as_told(db: Connection) -> None:
    take_in(db)
    done(db)
    await tell_all(db, load_settings())
    assert batches(db)[0].told == "no address to send to"
    assert complete_batches(db) == []


async def test_addresses_that_cannot_be_read_lose_no_message(db: Connection) -> None:
    take_in(db)
    done(db)
    broken = Settings.model_validate({"notify_config": "/there/is/none.yml"})
    with pytest.raises(SettingsError, match="NOTIFY_CONFIG"):
        await tell_all(db, broken)
    assert len(complete_batches(db)) == 1


async def test_a_message_that_could_not_be_written_is_not_lost(
    db: Connection, settings: Settings, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in(db)
    done(db)
    with monkeypatch.context() as broken:
        broken.setattr("keepsake.records.batches.progress", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await tell_all(db, settings)
    await tell_all(db, settings)
    assert len(webhook.messages) == 1


def test_the_newest_batch_stands_first(db: Connection) -> None:
    first, second = take_in(db), take_in(db)
    assert [batch.id for batch in batches(db)] == [second, first]
    assert [batch.id for batch in batches(db, limit=1)] == [second]


# -- as Dagster runs it ---------------------------------------------------------------------------


def look() -> str | None:
    """What a tick of the sensor says."""
    context = dg.build_sensor_context(resources={"database": DatabaseResource()})
    reason = imports_done(context)
    assert isinstance(reason, dg.SkipReason)
    return reason.skip_message


@pytest.mark.usefixtures("settings")
def test_the_sensor_tells_of_every_complete_batch(db: Connection, webhook: Webhook) -> None:
    assert look() == "no import has become complete"
    take_in(db)
    take_in(db)
    done(db)
    assert look() == "2 imports are done"
    assert len(webhook.messages) == 2
    assert look() == "no import has become complete"
