"""The quote of the day: in the family's morning, once, and sent to the right people."""

import asyncio
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from psycopg.rows import dict_row
from starlette.responses import Response

from keepsake.database import Connection, Pool
from keepsake.delivery.outbox import Result, deliver
from keepsake.family.daily_quote import DAILY_QUOTE
from keepsake.family.mornings import FamilyDue, enqueue_due, families_due
from keepsake.family.response import Family, add_family, add_member
from keepsake.settings import Settings, load_settings
from resources.database import DatabaseResource
from schedules.daily_quote import daily_quote_job
from tests.doubles.webhook import Webhook

NOON = "2026-05-04T12:00:00Z"


def family(db: Connection, name: str = "The Marlows", **options: Any) -> Family:
    added = add_family(db, name, **options)
    add_member(db, added, "Rose")
    return added


def quote(db: Connection, family: Family, *texts: str, title: str | None = "Songs") -> int:
    """A response with these quotes; the id of its record."""
    row = db.execute(
        "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
        " VALUES ('family', %s, %s, %s, '') RETURNING id",
        (family.id, texts[0], NOON),
    ).fetchone()
    assert row is not None
    db.execute(
        "INSERT INTO responses (record_id, owner_id, member_id, text)"
        " SELECT %s, owner_id, id, '' FROM members WHERE owner_id = %s",
        (row[0], family.id),
    )
    if title:
        db.execute("INSERT INTO stories VALUES (%s, %s, '', '', %s)", (row[0], title, family.id))
    for position, text in enumerate(texts):
        db.execute(
            "INSERT INTO quotes (record_id, owner_id, position, text) VALUES (%s, %s, %s, %s)",
            (row[0], family.id, position, text),
        )
    return int(row[0])


async def deliver_all(pool: Pool, settings: Settings) -> list[Result]:
    """What the schedule's run does."""
    await enqueue_due(pool, settings, DAILY_QUOTE)
    return await deliver(pool, settings)


async def due(pool: Pool, settings: Settings, hour: int = 0) -> list[FamilyDue]:
    async with pool.connection() as connection:
        return await families_due(
            connection, settings.model_copy(update={"quote_hour": hour}), DAILY_QUOTE
        )


def outbox(db: Connection) -> list[dict[str, Any]]:
    with db.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM outbox ORDER BY owner_id, id").fetchall()


def a_day_passes(db: Connection) -> None:
    db.execute(
        "UPDATE outbox SET created_at = created_at - interval '1 day',"
        " expires_at = expires_at - interval '1 day', idempotency_key ="
        " kind || '/' || split_part(idempotency_key, '/', 2)::date - 1"
    )


# -- when -----------------------------------------------------------------------------------------


def zone_where_it_is(hour: int) -> str:
    """A time zone where it is that hour now."""
    ahead = (hour - datetime.now(UTC).hour) % 24
    ahead -= 24 if ahead > 12 else 0
    return f"Etc/GMT{-ahead:+d}"  # by POSIX, west counts as more


async def test_a_quote_is_due_from_the_hour_on_where_a_family_lives(
    db: Connection, pool: Pool, settings: Settings
) -> None:
    for name, hour in (("Early", 6), ("Late", 12), ("Quiet", 12)):
        added = family(db, name, time_zone=zone_where_it_is(hour))
        if name != "Quiet":
            quote(db, added, f"A quote of {name}.")
    assert [family.name for family in await due(pool, settings, 9)] == ["Late"]


async def test_the_day_is_the_familys_own(db: Connection, pool: Pool, settings: Settings) -> None:
    """These zones are 25 hours apart: their dates always differ."""
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        quote(db, family(db, zone, time_zone=zone), f"A quote from {zone}.")
    east, west = await due(pool, settings)
    assert (east.starts_on - west.starts_on).days in (1, 2)
    for family_due in (east, west):
        midnight = family_due.until.astimezone(ZoneInfo(family_due.name))
        assert (midnight.date() - family_due.starts_on, midnight.time()) == (
            timedelta(days=1),
            time(),
        )


# -- what -----------------------------------------------------------------------------------------


async def test_the_quote_is_sent_with_who_said_it_and_where(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    record_id = quote(db, family(db), "Sing to it, and keep walking. 🎶")
    [result] = await deliver_all(pool, settings)
    assert result.status == "sent"
    assert webhook.messages == [
        "The Marlows: the quote of the day\n“Sing to it, and keep walking. 🎶”\n"
        "Rose, from “Songs”, 2026-05-04"
    ]
    [row] = outbox(db)
    assert (row["kind"], row["status"], row["attempts"]) == ("daily_quote", "sent", 1)
    assert (row["record_id"], row["position"]) == (record_id, 0)
    assert row["detail"] == "1 of 1 address took it"


async def test_a_quote_without_a_story_is_sent_without_its_title(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    quote(db, family(db), "Sing to it.", title=None)
    await deliver_all(pool, settings)
    assert webhook.messages[0].endswith("”\nRose, 2026-05-04")


async def test_every_quote_has_its_day_before_one_comes_again(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    marlows = family(db)
    quote(db, marlows, "One.", "Two.")
    quote(db, marlows, "Three.", "Four.")
    for _ in range(5):
        await deliver_all(pool, settings)
        a_day_passes(db)
    sent = [message.split("“")[1].split("”")[0] for message in webhook.messages]
    assert sent == ["Three.", "One.", "Four.", "Two.", "Three."]


async def test_a_family_gets_its_own_quotes_only(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    for name in ("Marlow", "Müller"):
        quote(db, family(db, name), f"A quote of {name}.")
    await deliver_all(pool, settings)
    assert [message.split(":")[0] in message.split("“")[1] for message in webhook.messages] == [
        True, True,
    ]  # fmt: skip


# -- once -----------------------------------------------------------------------------------------


async def test_however_often_it_runs_a_family_gets_one_quote_a_day(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    quote(db, family(db), "One.", "Two.")
    for _ in range(3):
        await deliver_all(pool, settings)
    assert len(webhook.messages) == 1


async def test_two_that_enqueue_at_once_enqueue_one_quote(
    db: Connection, pool: Pool, settings: Settings
) -> None:
    quote(db, family(db), "One.", "Two.")
    enqueued = await asyncio.gather(*(enqueue_due(pool, settings, DAILY_QUOTE) for _ in range(4)))
    assert sorted(enqueued) == [0, 0, 0, 1]


async def test_a_family_without_an_address_is_due_until_it_has_one(
    db: Connection, pool: Pool, settings: Settings
) -> None:
    quote(db, family(db), "One.")
    nowhere = settings.model_copy(update={"notify_urls": type(settings.notify_urls)("")})
    assert await due(pool, nowhere) == []
    assert await enqueue_due(pool, nowhere, DAILY_QUOTE) == 0
    assert await enqueue_due(pool, settings, DAILY_QUOTE) == 1


async def test_what_could_not_be_sent_is_tried_again(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    quote(db, family(db), "One.", "Two.")
    webhook.next(Response(status_code=500))
    for _ in range(2):
        await deliver_all(pool, settings)
        db.execute("UPDATE outbox SET due_at = now()")
    [row] = outbox(db)
    assert (row["status"], row["attempts"]) == ("sent", 2)
    assert webhook.messages[0] == webhook.messages[1], "the same quote"


async def test_a_quote_that_was_not_sent_by_the_end_of_its_day_expires(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    quote(db, family(db), "One.", "Two.")
    webhook.status = 500
    await deliver_all(pool, settings)
    a_day_passes(db)
    webhook.status = 200
    await deliver_all(pool, settings)
    assert [row["status"] for row in outbox(db)] == ["expired", "sent"]
    assert "“One.”" in webhook.messages[1], "it was never sent, so it comes first"


async def test_a_quote_that_may_have_arrived_does_not_come_again_at_once(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    quote(db, family(db), "One.", "Two.")
    await deliver_all(pool, settings)
    db.execute("UPDATE outbox SET status = 'unknown'")
    await deliver_all(pool, settings)
    assert len(webhook.messages) == 1
    a_day_passes(db)
    await deliver_all(pool, settings)
    assert "“Two.”" in webhook.messages[1]


# -- as Dagster runs it ---------------------------------------------------------------------------


def run_job() -> dg.ExecuteInProcessResult:
    settings = load_settings()
    return daily_quote_job.execute_in_process(
        resources={"database": DatabaseResource(settings=settings), "settings": settings},
        raise_on_error=False,
    )


@pytest.mark.usefixtures("settings")
def test_a_family_that_cannot_be_reached_does_not_hold_back_the_others(
    db: Connection, webhook: Webhook
) -> None:
    for name in ("Marlow", "Müller"):
        quote(db, family(db, name), f"A quote of {name}.")
    webhook.next(Response(status_code=500))
    result = run_job()
    assert not result.success
    assert sorted(row["status"] for row in outbox(db)) == ["pending", "sent"]
    db.execute("UPDATE outbox SET due_at = now()")
    assert run_job().success
    assert [row["status"] for row in outbox(db)] == ["sent", "sent"]
    assert len(webhook.messages) == 3


@pytest.mark.usefixtures("settings")
def test_no_quote_and_no_address_is_in_what_dagster_keeps(
    db: Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    quote(db, family(db), "Sing to it.")
    result = run_job()
    kept = "".join(str(event) for event in result.all_events) + "".join(capfd.readouterr())
    assert result.success
    assert not any(word in kept for word in ("Sing", "Rose", "json://"))
