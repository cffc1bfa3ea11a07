"""Interview prompts: sent once a week to the right people, listed, and answered by id."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from keepsake.database import Connection, Pool
from keepsake.delivery.outbox import Result, deliver
from keepsake.family.mornings import FamilyDue, enqueue_due, families_due
from keepsake.family.response import Family
from keepsake.family.weekly_prompts import WEEKLY_PROMPTS, interview_prompts
from keepsake.settings import Settings
from tests.doubles.webhook import Webhook

from .test_daily_quote import family, outbox, quote, zone_where_it_is

QUESTIONS = ("Who taught you to swim?", "What did your first wage buy?", "Who sang to you?")


def write(db: Connection, family: Family, *questions: str, weeks_ago: int = 0) -> list[int]:
    """Prompts of the current week where the family lives, or of an earlier one; their ids."""
    rows = [
        db.execute(
            "INSERT INTO interview_prompts (owner_id, question, question_key, week, source)"
            " VALUES (%s, %s, %s, date_trunc('week', now() AT TIME ZONE %s)::date - 7 * %s, 'ai')"
            " RETURNING id",
            (family.id, question, question, family.time_zone, weeks_ago),
        ).fetchone()
        for question in questions
    ]
    return [row[0] for row in rows if row]


async def deliver_all(pool: Pool, settings: Settings) -> list[Result]:
    """What the schedule's run does."""
    await enqueue_due(pool, settings, WEEKLY_PROMPTS)
    return await deliver(pool, settings)


async def due(pool: Pool, settings: Settings, hour: int = 0) -> list[FamilyDue]:
    async with pool.connection() as connection:
        return await families_due(
            connection, settings.model_copy(update={"quote_hour": hour}), WEEKLY_PROMPTS
        )


async def test_the_weeks_prompts_are_sent_with_their_ids(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    home = family(db)
    write(db, home, "An older question?", weeks_ago=1)
    ids = write(db, home, *QUESTIONS)
    await deliver_all(pool, settings)
    [message] = webhook.messages
    assert message.startswith("The Marlows: this week's questions\n")
    for number, question in zip(ids, QUESTIONS, strict=True):
        assert f"{number}. {question}" in message
    assert "An older question?" not in message
    assert f"keepsake add response the-marlows MEMBER --prompt {ids[0]}" in message


async def test_however_often_it_runs_a_family_gets_them_once_a_week(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    home = family(db)
    write(db, home, *QUESTIONS)
    for _ in range(2):
        await deliver_all(pool, settings)
    assert await due(pool, settings) == []
    assert len(webhook.messages) == 1
    db.execute("UPDATE outbox SET idempotency_key = kind || '/' ||"
               " split_part(idempotency_key, '/', 2)::date - 7")  # fmt: skip
    await deliver_all(pool, settings)
    assert len(webhook.messages) == 2


async def test_a_failed_send_is_tried_again_until_the_week_is_over(
    db: Connection, pool: Pool, settings: Settings, webhook: Webhook
) -> None:
    webhook.status = 500
    home = family(db)
    write(db, home, *QUESTIONS)
    [family_due] = await due(pool, settings)
    await deliver_all(pool, settings)
    [row] = outbox(db)
    assert (row["kind"], row["status"], row["attempts"]) == ("interview_prompts", "pending", 1)
    assert row["expires_at"] == family_due.until
    monday = family_due.until.astimezone(ZoneInfo(home.time_zone)).date()
    assert monday - family_due.starts_on == timedelta(days=7)


async def test_prompts_are_due_from_the_hour_on_where_a_family_lives(
    db: Connection, pool: Pool, settings: Settings
) -> None:
    for name, hour in (("Early", 6), ("Late", 12)):
        write(db, family(db, name, time_zone=zone_where_it_is(hour)), *QUESTIONS)
    family(db, "Without")
    old = family(db, "Long ago", time_zone=zone_where_it_is(12))
    write(db, old, "A question of last week?", weeks_ago=1)
    assert [family.name for family in await due(pool, settings, 9)] == ["Late"]


def test_prompts_are_listed_with_week_and_answers(db: Connection) -> None:
    home = family(db)
    [older] = write(db, home, "An older question?", weeks_ago=1)
    ids = write(db, home, *QUESTIONS[:2])
    write(db, family(db, "The Others"), "A question of others?")
    record_id = quote(db, home, "I learned it in the river.")
    db.execute("UPDATE responses SET prompt_id = %s WHERE record_id = %s", (ids[1], record_id))
    found = interview_prompts(db, home.id)
    assert [(prompt.id, prompt.answered_by) for prompt in found] == [
        (ids[0], []),
        (ids[1], [record_id]),
        (older, []),
    ]
    assert all(isinstance(prompt.week, date) for prompt in found)
