"""The quote of the day: one for each family, in the morning of its own time zone.

What it says and when it is due. How it is sent, once, is in `keepsake/delivery/outbox.py`.
"""

from dataclasses import dataclass
from datetime import date

from psycopg.rows import class_row
from psycopg.sql import SQL

from keepsake.database import AsyncConnection
from keepsake.delivery.outbox import NewMessage, enqueue
from keepsake.family.mornings import FamilyDue, MorningMessage

KIND = "daily_quote"


@dataclass(frozen=True)
class ChosenQuote:
    """A quote and where it comes from."""

    record_id: int
    position: int
    text: str
    member: str
    title: str | None
    recorded: date


async def _enqueue(connection: AsyncConnection, family: FamilyDue) -> bool:
    async with connection.transaction():
        quote = await _choose(connection, family.owner_id)
        if quote is None:
            return False
        source = f", from “{quote.title}”" if quote.title else ""
        return await enqueue(
            connection,
            NewMessage(
                family.owner_id,
                KIND,
                family.key(KIND),
                title=f"{family.name}: the quote of the day",
                body=f"“{quote.text}”\n{quote.member}{source}, {quote.recorded.isoformat()}",
                expires_at=family.until,
                record_id=quote.record_id,
                position=quote.position,
            ),
        )


async def _choose(connection: AsyncConnection, owner_id: int) -> ChosenQuote | None:
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
            JOIN owners o ON o.id = r.owner_id
            LEFT JOIN stories s ON s.record_id = q.record_id
            LEFT JOIN LATERAL (
                SELECT max(d.created_at) AS at FROM outbox d
                WHERE d.owner_id = r.owner_id AND d.kind = %s
                  AND d.status IN ('sending', 'sent', 'unknown')
                  AND d.record_id = q.record_id AND d.position = q.position) last ON true
            WHERE r.owner_id = %s
            ORDER BY last.at NULLS FIRST, q.position, q.record_id DESC LIMIT 1
            FOR KEY SHARE OF rec
            """,
            (KIND, owner_id),
        )
        return await cursor.fetchone()


DAILY_QUOTE = MorningMessage(
    KIND,
    every="day",
    having=SQL(
        "EXISTS (SELECT FROM quotes q JOIN responses r USING (record_id)"
        " WHERE r.owner_id = f.owner_id)"
    ),
    enqueue=_enqueue,
)
