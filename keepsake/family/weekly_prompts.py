"""The interview prompts of a family: read back, and sent once a week in its own morning.

They are written by `assets/family/interview_prompts.py`. How a family gets them at most once is in
`deliveries.py`.
"""

from dataclasses import dataclass
from datetime import date

from psycopg.rows import class_row

from keepsake.clients.notifications import Delivery, notify, urls_for
from keepsake.database import Connection
from keepsake.family.deliveries import ATTEMPTS, claim, settle
from keepsake.settings import Settings

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
class WaitingForPrompts:
    """A family that has not had the prompts of the week that begins on `monday`."""

    family_id: int
    slug: str
    name: str
    monday: date


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


def families_waiting(connection: Connection, hour: int) -> list[WaitingForPrompts]:
    """Families that have prompts of this week, not sent yet, where it is `hour` or later."""
    with connection.cursor(row_factory=class_row(WaitingForPrompts)) as cursor:
        return cursor.execute(
            """
            SELECT f.id AS family_id, o.slug, o.name, here.monday
            FROM families f
            JOIN owners o ON o.id = f.id
            CROSS JOIN LATERAL (
                SELECT date_trunc('week', now() AT TIME ZONE o.time_zone)::date AS monday,
                       extract(hour FROM now() AT TIME ZONE o.time_zone) AS hour) AS here
            LEFT JOIN deliveries d ON d.family_id = f.id AND d.kind = %s AND d.day = here.monday
            WHERE here.hour >= %s
              AND (d.status IS NULL OR d.status = 'failed' AND d.attempts < %s)
              AND EXISTS (SELECT FROM interview_prompts p
                          WHERE p.family_id = f.id AND p.week = here.monday)
            ORDER BY f.id
            """,
            (KIND, hour, ATTEMPTS),
        ).fetchall()


async def deliver(
    connection: Connection, settings: Settings, waiting: WaitingForPrompts
) -> Delivery | None:
    """Send a family its prompts. None if someone else has, or there is nowhere to send."""
    urls = urls_for(settings, waiting.slug)
    prompts = interview_prompts(connection, waiting.family_id, week=waiting.monday)
    if not (urls and prompts and claim(connection, waiting.family_id, KIND, waiting.monday)):
        return None
    questions = "\n".join(f"{prompt.id}. {prompt.question}" for prompt in prompts)
    delivery = await notify(
        urls,
        title=f"{waiting.name}: this week's questions",
        body=f"{questions}\n\nThe number says which one a response answers: "
        f"keepsake add response {waiting.slug} MEMBER --prompt {prompts[0].id} --audio FILE",
    )
    settle(connection, waiting.family_id, KIND, waiting.monday, delivery)
    return delivery
