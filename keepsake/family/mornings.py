"""Messages that a family gets in its own morning, once a day or week: when they are due.

What they are and what they say is in `daily_quote.py` and `weekly_prompts.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from psycopg.rows import class_row
from psycopg.sql import SQL

from keepsake.database import AsyncConnection, Pool
from keepsake.delivery.notifications import read_addresses
from keepsake.delivery.outbox import CHANNEL
from keepsake.settings import DeliverySettings


@dataclass(frozen=True)
class FamilyDue:
    """A family to enqueue a message for.

    Attributes:
        owner_id: of the family.
        slug: its short name.
        name: as it is written.
        starts_on: the day or the Monday that the message is for, in the family's time zone.
        until: when that day or week ends.
    """

    owner_id: int
    slug: str
    name: str
    starts_on: date
    until: datetime

    def key(self, kind: str) -> str:
        """The idempotency key of a message of that kind."""
        return f"{kind}/{self.starts_on}"


@dataclass(frozen=True)
class MorningMessage:
    """A message that families get in the morning.

    Attributes:
        kind: of the message.
        every: how often a family gets one.
        having: a condition on a family `f` and `here.starts_on`: that there is something to send.
        enqueue: enqueues the message of a family; False if there is nothing new to send.
    """

    kind: str
    every: Literal["day", "week"]
    having: SQL
    enqueue: Callable[[AsyncConnection, FamilyDue], Awaitable[bool]]


async def enqueue_due(pool: Pool, settings: DeliverySettings, message: MorningMessage) -> int:
    """Enqueue a message for each family that it is due for; how many were new.

    Raises:
        SettingsError: NOTIFY_CONFIG cannot be read.
    """
    async with pool.connection() as connection:
        due = await families_due(connection, settings, message)
        return sum([await message.enqueue(connection, family) for family in due])


async def families_due(
    connection: AsyncConnection, settings: DeliverySettings, message: MorningMessage
) -> list[FamilyDue]:
    """Families where it is QUOTE_HOUR or later, without a message of this day or week so far.

    Families without an address are left out: they are due once they have one.

    Raises:
        SettingsError: NOTIFY_CONFIG cannot be read.
    """
    query = SQL(
        """
        SELECT f.owner_id, o.slug, o.name, here.starts_on,
               (here.starts_on + ('1 ' || %(every)s)::interval) AT TIME ZONE o.time_zone AS until
        FROM families f
        JOIN owners o ON o.id = f.owner_id
        CROSS JOIN LATERAL (
            SELECT date_trunc(%(every)s, now() AT TIME ZONE o.time_zone)::date AS starts_on,
                   extract(hour FROM now() AT TIME ZONE o.time_zone) AS hour) AS here
        WHERE here.hour >= %(hour)s AND {having}
          AND NOT EXISTS (SELECT FROM outbox m
                          WHERE m.owner_id = f.owner_id AND m.channel = %(channel)s
                            AND m.idempotency_key = %(kind)s || '/' || here.starts_on)
        ORDER BY f.owner_id
        """
    ).format(having=message.having)
    values = {
        "kind": message.kind,
        "every": message.every,
        "hour": settings.quote_hour,
        "channel": CHANNEL,
    }
    async with connection.cursor(row_factory=class_row(FamilyDue)) as cursor:
        await cursor.execute(query, values)
        found = await cursor.fetchall()
    if not found:
        return []
    addresses = await asyncio.to_thread(read_addresses, settings)
    return [family for family in found if addresses.of(family.slug)]
