"""The quote of the day: one for each family, in the morning of its own time zone.

What it says and when it is due. How it is sent, once, is in `keepsake/delivery/outbox.py`.
"""

import asyncio
from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import class_row

from keepsake.database import AsyncConnection, Pool
from keepsake.delivery.notifications import read_addresses
from keepsake.delivery.outbox import NewMessage, enqueue
from keepsake.settings import DeliverySettings

KIND = "daily_quote"


@dataclass(frozen=True)
class FamilyDue:
    """A family whose quote of `day`, its own date, is to be enqueued; that day ends at `until`."""

    family_id: int
    slug: str
    name: str
    day: date
    until: datetime


@dataclass(frozen=True)
class ChosenQuote:
    """A quote and where it comes from."""

    record_id: int
    position: int
    text: str
    member: str
    title: str | None
    recorded: date


async def families_due(connection: AsyncConnection, hour: int) -> list[FamilyDue]:
    """Families where it is `hour` or later and today's quote is not in the outbox."""
    async with connection.cursor(row_factory=class_row(FamilyDue)) as cursor:
        await cursor.execute(
            """
            SELECT f.id AS family_id, o.slug, o.name, here.day,
                   (here.day + 1)::timestamp AT TIME ZONE o.time_zone AS until
            FROM families f
            JOIN owners o ON o.id = f.id
            CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE o.time_zone)::date AS day,
                                       extract(hour FROM now() AT TIME ZONE o.time_zone) AS hour
                               ) AS here
            WHERE here.hour >= %(hour)s
              AND NOT EXISTS (SELECT FROM outbox m WHERE m.owner_id = f.id
                                AND m.idempotency_key = %(kind)s || '/' || here.day)
              AND EXISTS (SELECT FROM quotes q JOIN responses r USING (record_id)
                          WHERE r.family_id = f.id)
            ORDER BY f.id
            """,
            {"kind": KIND, "hour": hour},
        )
        return await cursor.fetchall()


async def enqueue_quotes(pool: Pool, settings: DeliverySettings) -> int:
    """Enqueue the quote of the day of each family that has an address; how many were new.

    Raises:
        SettingsError: NOTIFY_CONFIG cannot be read.
    """
    addresses = await asyncio.to_thread(read_addresses, settings)
    async with pool.connection() as connection:
        due = await families_due(connection, settings.quote_hour)
        return sum([await _enqueue(connection, f) for f in due if addresses.of(f.slug)])


async def _enqueue(connection: AsyncConnection, family: FamilyDue) -> bool:
    async with connection.transaction():
        quote = await _choose(connection, family.family_id)
        if quote is None:
            return False
        source = f", from “{quote.title}”" if quote.title else ""
        return await enqueue(
            connection,
            NewMessage(
                family.family_id,
                KIND,
                f"{KIND}/{family.day}",
                title=f"{family.name}: the quote of the day",
                body=f"“{quote.text}”\n{quote.member}{source}, {quote.recorded.isoformat()}",
                expires_at=family.until,
                record_id=quote.record_id,
                position=quote.position,
            ),
        )


async def _choose(connection: AsyncConnection, family_id: int) -> ChosenQuote | None:
    """A quote that was never sent, the newest first; else the one sent longest ago.

    Its record is not deleted until our transaction ends.
    """
    async with connection.cursor(row_factory=class_row(ChosenQuote)) as cursor:
        await cursor.execute(
            """
            SELECT q.record_id, q.position, q.text, m.name AS member, s.title,
                   (rec.recorded_at AT TIME ZONE o.time_zone)::date AS recorded
            FROM quotes q
            JOIN responses r ON r.record_id = q.record_id
            JOIN records rec ON rec.id = q.record_id
            JOIN members m ON m.id = r.member_id
            JOIN owners o ON o.id = r.family_id
            LEFT JOIN stories s ON s.record_id = q.record_id
            LEFT JOIN LATERAL (
                SELECT max(d.created_at) AS at FROM outbox d
                WHERE d.owner_id = r.family_id AND d.kind = %s
                  AND d.status IN ('sending', 'sent', 'unknown')
                  AND d.record_id = q.record_id AND d.position = q.position) last ON true
            WHERE r.family_id = %s
            ORDER BY last.at NULLS FIRST, q.position, q.record_id DESC LIMIT 1
            FOR KEY SHARE OF rec
            """,
            (KIND, family_id),
        )
        return await cursor.fetchone()
