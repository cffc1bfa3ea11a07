"""The quote of the day: in the family's morning, once, and told to the right people."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest
from psycopg.rows import dict_row
from starlette.requests import Request
from starlette.responses import Response

from keepsake.clients.notifications import Delivery
from keepsake.database import Connection, connect
from keepsake.family.daily_quote import deliver, families_waiting
from keepsake.family.deliveries import ATTEMPTS
from keepsake.family.response import Family, add_family, add_member
from keepsake.settings import Settings, load_settings
from resources.database import DatabaseResource
from schedules.daily_quote import daily_quote_job
from tests.doubles.server import Double, serving

NOON = "2026-05-04T12:00:00Z"


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
    """Settings that send every quote to the webhook."""
    with serving(webhook) as address:
        monkeypatch.setenv("NOTIFY_URLS", address.replace("http:", "json:"))
        monkeypatch.setenv("DATABASE_URL", database_url)
        monkeypatch.setenv("QUOTE_HOUR", "0")
        yield load_settings()


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


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
        "INSERT INTO responses (record_id, family_id, member_id, text)"
        " SELECT %s, family_id, id, '' FROM members WHERE family_id = %s",
        (row[0], family.id),
    )
    if title:
        db.execute("INSERT INTO stories VALUES (%s, %s, '', '')", (row[0], title))
    for position, text in enumerate(texts):
        db.execute("INSERT INTO quotes VALUES (%s, %s, %s)", (row[0], position, text))
    return int(row[0])


async def deliver_all(db: Connection, settings: Settings) -> list[Delivery | None]:
    """What the schedule's run does."""
    return [await deliver(db, settings, waiting) for waiting in families_waiting(db, 0)]


def deliveries(db: Connection) -> list[dict[str, Any]]:
    with db.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM deliveries ORDER BY family_id, day").fetchall()


def a_day_passes(db: Connection) -> None:
    db.execute("UPDATE deliveries SET day = day - 1")


# -- when -----------------------------------------------------------------------------------------


def zone_where_it_is(hour: int) -> str:
    """A time zone where it is that hour now."""
    ahead = (hour - datetime.now(UTC).hour) % 24
    ahead -= 24 if ahead > 12 else 0
    return f"Etc/GMT{-ahead:+d}"  # by POSIX, west counts as more


def test_a_family_waits_from_the_hour_on_where_it_lives(db: Connection) -> None:
    for name, hour in (("Early", 6), ("Late", 12), ("Quiet", 12)):
        added = family(db, name, time_zone=zone_where_it_is(hour))
        if name != "Quiet":
            quote(db, added, f"A quote of {name}.")
    assert [waiting.name for waiting in families_waiting(db, 9)] == ["Late"]


def test_the_day_is_the_familys_own(db: Connection) -> None:
    """These zones are 25 hours apart: their dates always differ."""
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        quote(db, family(db, zone, time_zone=zone), f"A quote from {zone}.")
    east, west = (waiting.day for waiting in families_waiting(db, 0))
    assert (east - west).days in (1, 2)


# -- what -----------------------------------------------------------------------------------------


async def test_the_quote_is_sent_with_who_said_it_and_where(
    db: Connection, settings: Settings, webhook: Webhook
) -> None:
    record_id = quote(db, family(db), "Sing to it, and keep walking. 🎶")
    [delivery] = await deliver_all(db, settings)
    assert delivery is not None
    assert delivery.sent
    assert webhook.messages == [
        "The Marlows: the quote of the day\n“Sing to it, and keep walking. 🎶”\n"
        "Rose, from “Songs”, 2026-05-04"
    ]
    [row] = deliveries(db)
    assert (row["kind"], row["status"], row["attempts"]) == ("daily_quote", "sent", 1)
    assert (row["record_id"], row["position"]) == (record_id, 0)
    assert row["detail"] == "1 of 1 address took it"


async def test_a_quote_without_a_story_is_sent_without_its_title(
    db: Connection, settings: Settings, webhook: Webhook
) -> None:
    quote(db, family(db), "Sing to it.", title=None)
    await deliver_all(db, settings)
    assert webhook.messages[0].endswith("”\nRose, 2026-05-04")


async def test_every_quote_has_its_day_before_one_comes_again(
    db: Connection, settings: Settings, webhook: Webhook
) -> None:
    marlows = family(db)
    quote(db, marlows, "One.", "Two.")
    quote(db, marlows, "Three.", "Four.")
    for _ in range(5):
        await deliver_all(db, settings)
        a_day_passes(db)
    sent = [message.split("“")[1].split("”")[0] for message in webhook.messages]
    assert sent == ["Three.", "One.", "Four.", "Two.", "Three."]


async def test_a_family_gets_its_own_quotes_only(
    db: Connection, settings: Settings, webhook: Webhook
) -> None:
    for name in ("Marlow", "Müller"):
        quote(db, family(db, name), f"A quote of {name}.")
    await deliver_all(db, settings)
    assert [message.split(":")[0] in message.split("“")[1] for message in webhook.messages] == [
        True, True,
    ]  # fmt: skip


# -- once -----------------------------------------------------------------------------------------


async def test_however_often_it_runs_a_family_gets_one_quote_a_day(
    db: Connection, settings: Settings, webhook: Webhook
) -> None:
    quote(db, family(db), "One.", "Two.")
    waiting = families_waiting(db, 0)
    for _ in range(3):
        await deliver_all(db, settings)
    assert await deliver(db, settings, waiting[0]) is None  # by one that looked before
    assert len(webhook.messages) == 1


async def test_what_could_not_be_sent_is_tried_three_times(
    db: Connection, settings: Settings, webhook: Webhook
) -> None:
    quote(db, family(db), "One.", "Two.")
    webhook.status = 500
    for _ in range(ATTEMPTS + 2):
        await deliver_all(db, settings)
    assert len(webhook.messages) == ATTEMPTS == 3
    [row] = deliveries(db)
    assert (row["status"], row["attempts"]) == ("failed", 3)
    assert row["detail"] == "0 of 1 address took it; failed: JSON"


async def test_what_failed_at_first_can_still_arrive(
    db: Connection, settings: Settings, webhook: Webhook
) -> None:
    quote(db, family(db), "One.")
    webhook.status = 500
    await deliver_all(db, settings)
    webhook.status = 200
    await deliver_all(db, settings)
    [row] = deliveries(db)
    assert (row["status"], row["attempts"], len(webhook.messages)) == ("sent", 2, 2)


async def test_a_send_that_broke_off_is_not_repeated_since_it_may_have_arrived(
    db: Connection, settings: Settings, webhook: Webhook
) -> None:
    quote(db, family(db), "One.")
    await deliver_all(db, settings)
    db.execute("UPDATE deliveries SET status = 'sending'")
    await deliver_all(db, settings)
    assert len(webhook.messages) == 1


# -- as Dagster runs it ---------------------------------------------------------------------------


def run_job() -> dg.ExecuteInProcessResult:
    return daily_quote_job.execute_in_process(
        resources={"database": DatabaseResource()}, raise_on_error=False
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
    assert [row["status"] for row in deliveries(db)] == ["failed", "sent"]
    assert run_job().success
    assert [row["status"] for row in deliveries(db)] == ["sent", "sent"]
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
