"""The interview prompts of a family: read back, and due once a week in its own morning.

They are written by `assets/family/interview_prompts.py`. How they are sent, once, is in
`keepsake/delivery/outbox.py`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import class_row

from keepsake.database import AsyncConnection, Connection, Pool
from keepsake.delivery.notifications import read_addresses
from keepsake.delivery.outbox import NewMessage, enqueue
from keepsake.settings import DeliverySettings

KIND = "interview_prompts"


@dataclass(frozen=True)
class InterviewPrompt:
    """A question for a family.

    Attributes:
        week: Monday of the week it was written for; None if a person wrote it.
        answered_by: the records of the responses that name it.
    """

    id: int
    week: date | None
    question: str
    answered_by: list[int]


@dataclass(frozen=True)
class FamilyDue:
    """A family whose prompts of the week of `monday` are to be enqueued; it ends at `until`."""

    family_id: int
    slug: str
    name: str
    monday: date
    until: datetime


def interview_prompts(
    connection: Connection, family_id: int, *, week: date | None = None
) -> list[InterviewPrompt]:
    """The prompts of a family, or those of one week, the newest week first."""
    with connection.cursor(row_factory=class_row(InterviewPrompt)) as cursor:
        return cursor.execute(
            """
            SELECT id, week, question,
                   ARRAY(SELECT record_id FROM responses r WHERE r.prompt_id = p.id
                           AND r.family_id = p.family_id ORDER BY record_id) AS answered_by
            FROM interview_prompts p
            WHERE family_id = %(family)s AND (%(week)s::date IS NULL OR week = %(week)s)
            ORDER BY week DESC NULLS LAST, id
            """,
            {"family": family_id, "week": week},
        ).fetchall()


async def families_due(connection: AsyncConnection, hour: int) -> list[FamilyDue]:
    """Families where it is `hour` or later, with prompts of this week not in the outbox."""
    async with connection.cursor(row_factory=class_row(FamilyDue)) as cursor:
        await cursor.execute(
            """
            SELECT f.id AS family_id, o.slug, o.name, here.monday,
                   (here.monday + 7)::timestamp AT TIME ZONE o.time_zone AS until
            FROM families f
            JOIN owners o ON o.id = f.id
            CROSS JOIN LATERAL (
                SELECT date_trunc('week', now() AT TIME ZONE o.time_zone)::date AS monday,
                       extract(hour FROM now() AT TIME ZONE o.time_zone) AS hour) AS here
            WHERE here.hour >= %(hour)s
              AND NOT EXISTS (SELECT FROM outbox m WHERE m.owner_id = f.id
                                AND m.idempotency_key = %(kind)s || '/' || here.monday)
              AND EXISTS (SELECT FROM interview_prompts p
                          WHERE p.family_id = f.id AND p.week = here.monday)
            ORDER BY f.id
            """,
            {"kind": KIND, "hour": hour},
        )
        return await cursor.fetchall()


async def enqueue_prompts(pool: Pool, settings: DeliverySettings) -> int:
    """Enqueue the week's prompts of each family that has an address; how many were new.

    Raises:
        SettingsError: NOTIFY_CONFIG cannot be read.
    """
    addresses = await asyncio.to_thread(read_addresses, settings)
    async with pool.connection() as connection:
        due = await families_due(connection, settings.quote_hour)
        return sum([await _enqueue(connection, f) for f in due if addresses.of(f.slug)])


async def _enqueue(connection: AsyncConnection, family: FamilyDue) -> bool:
    cursor = await connection.execute(
        "SELECT id, question FROM interview_prompts WHERE family_id = %s AND week = %s ORDER BY id",
        (family.family_id, family.monday),
    )
    prompts = await cursor.fetchall()
    return await enqueue(
        connection,
        NewMessage(
            family.family_id,
            KIND,
            f"{KIND}/{family.monday}",
            title=f"{family.name}: this week's questions",
            body=_body(family.slug, prompts),
            expires_at=family.until,
        ),
    )


def _body(slug: str, prompts: Sequence[tuple[int, str]]) -> str:
    questions = "\n".join(f"{number}. {question}" for number, question in prompts)
    return (
        f"{questions}\n\nThe number says which one a response answers: "
        f"keepsake add response {slug} MEMBER --prompt {prompts[0][0]} --audio FILE"
    )
