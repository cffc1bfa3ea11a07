"""The interview prompts of a family: read back, and due once a week in its own morning.

`interview_prompts.py` writes them. How they are sent, once, is in `keepsake/delivery/outbox.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from psycopg.rows import class_row
from psycopg.sql import SQL

from keepsake.database import AsyncConnection, Connection
from keepsake.delivery.outbox import NewMessage, enqueue
from keepsake.errors import InvalidInput
from keepsake.family.mornings import FamilyDue, MorningMessage
from keepsake.text.names import clean_name
from keepsake.text.spans import text_key

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


def this_week(time_zone: str) -> date:
    """Monday of this week, where the family lives."""
    today = datetime.now(ZoneInfo(time_zone)).date()
    return today - timedelta(days=today.weekday())


def add_prompt(connection: Connection, owner_id: int, question: str) -> InterviewPrompt:
    """Add a question that a person wrote.

    Raises:
        InvalidInput: it is empty or too long, or the family was asked it before.
    """
    question = clean_name(question)
    row = connection.execute(
        "INSERT INTO interview_prompts (owner_id, question, question_key, source)"
        " VALUES (%s, %s, %s, 'human') ON CONFLICT (owner_id, question_key) DO NOTHING"
        " RETURNING id",
        (owner_id, question, text_key(question)),
    ).fetchone()
    if row is None:
        raise InvalidInput("the family was asked this question before")
    return InterviewPrompt(row[0], None, question, [])


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
