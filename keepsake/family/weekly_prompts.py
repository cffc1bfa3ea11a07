"""The interview prompts of a family: read back, and due once a week in its own morning.

`interview_prompts.py` writes them. How they are sent, once, is in `keepsake/delivery/outbox.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from psycopg.rows import class_row
from psycopg.sql import SQL

from keepsake.database import AsyncConnection, Connection
from keepsake.delivery.outbox import NewMessage, enqueue
from keepsake.family.mornings import FamilyDue, MorningMessage

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


def interview_prompts(
    connection: Connection, owner_id: int, *, week: date | None = None
) -> list[InterviewPrompt]:
    """The prompts of a family, or those of one week, the newest week first."""
    with connection.cursor(row_factory=class_row(InterviewPrompt)) as cursor:
        return cursor.execute(
            """
            SELECT id, week, question,
                   ARRAY(SELECT record_id FROM responses r WHERE r.prompt_id = p.id
                           AND r.owner_id = p.owner_id ORDER BY record_id) AS answered_by
            FROM interview_prompts p
            WHERE owner_id = %(family)s AND (%(week)s::date IS NULL OR week = %(week)s)
            ORDER BY week DESC NULLS LAST, id
            """,
            {"family": owner_id, "week": week},
        ).fetchall()


async def _enqueue(connection: AsyncConnection, family: FamilyDue) -> bool:
    cursor = await connection.execute(
        "SELECT id, question FROM interview_prompts WHERE owner_id = %s AND week = %s ORDER BY id",
        (family.owner_id, family.starts_on),
    )
    prompts = await cursor.fetchall()
    return await enqueue(
        connection,
        NewMessage(
            family.owner_id,
            KIND,
            family.key(KIND),
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


WEEKLY_PROMPTS = MorningMessage(
    KIND,
    every="week",
    having=SQL(
        "EXISTS (SELECT FROM interview_prompts p"
        " WHERE p.owner_id = f.owner_id AND p.week = here.starts_on)"
    ),
    enqueue=_enqueue,
)
