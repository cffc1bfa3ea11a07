"""The quote of the day: one for each family, in the morning of its own time zone, sent once.

How a family gets it at most once is in `deliveries.py`.
"""

from dataclasses import dataclass
from datetime import date

from psycopg.rows import class_row

from keepsake.clients.notifications import Delivery, notify, urls_for
from keepsake.database import Connection
from keepsake.family.deliveries import ATTEMPTS, claim, settle
from keepsake.settings import Settings

KIND = "daily_quote"


@dataclass(frozen=True)
class Waiting:
    """A family that has not had its quote of `day`, its own date."""

    family_id: int
    slug: str
    name: str
    day: date


@dataclass(frozen=True)
class ChosenQuote:
    """A quote and where it comes from."""

    record_id: int
    position: int
    text: str
    member: str
    title: str | None
    recorded: date


def families_waiting(connection: Connection, hour: int) -> list[Waiting]:
    """Families where it is `hour` or later and today's quote has not gone out."""
    with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(
            """
            SELECT f.id AS family_id, o.slug, o.name, here.day
            FROM families f
            JOIN owners o ON o.id = f.id
            CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE o.time_zone)::date AS day,
                                       extract(hour FROM now() AT TIME ZONE o.time_zone) AS hour
                               ) AS here
            LEFT JOIN deliveries d ON d.family_id = f.id AND d.kind = %s AND d.day = here.day
            WHERE here.hour >= %s
              AND (d.status IS NULL OR d.status = 'failed' AND d.attempts < %s)
              AND EXISTS (SELECT FROM quotes q JOIN responses r USING (record_id)
                          WHERE r.family_id = f.id)
            ORDER BY f.id
            """,
            (KIND, hour, ATTEMPTS),
        ).fetchall()


async def deliver(connection: Connection, settings: Settings, waiting: Waiting) -> Delivery | None:
    """Send a family its quote of the day. None if someone else has, or there is nowhere to send."""
    urls = urls_for(settings, waiting.slug)
    quote = _choose(connection, waiting.family_id)
    if not urls or quote is None:
        return None
    if not claim(
        connection,
        waiting.family_id,
        KIND,
        waiting.day,
        record_id=quote.record_id,
        position=quote.position,
    ):
        return None
    source = f", from “{quote.title}”" if quote.title else ""
    delivery = await notify(
        urls,
        title=f"{waiting.name}: the quote of the day",
        body=f"“{quote.text}”\n{quote.member}{source}, {quote.recorded.isoformat()}",
    )
    settle(connection, waiting.family_id, KIND, waiting.day, delivery)
    return delivery


def _choose(connection: Connection, family_id: int) -> ChosenQuote | None:
    """A quote that was never sent, the newest first; else the one sent longest ago."""
    with connection.cursor(row_factory=class_row(ChosenQuote)) as cursor:
        return cursor.execute(
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
                SELECT max(day) AS day FROM deliveries d
                WHERE d.family_id = r.family_id AND d.kind = %s AND d.status <> 'failed'
                  AND d.record_id = q.record_id AND d.position = q.position) last ON true
            WHERE r.family_id = %s
            ORDER BY last.day NULLS FIRST, q.position, q.record_id DESC LIMIT 1
            """,
            (KIND, family_id),
        ).fetchone()
