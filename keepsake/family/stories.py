"""A family's stories as its pages list them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from keepsake.database import Connection


@dataclass(frozen=True)
class ListedStory:
    """A response with its story, as far as there is one.

    Attributes:
        record_id: of the response.
        title, summary: of the story, the title as people changed it; None: not made yet.
        member: who told or wrote it.
        question: the interview prompt that it answers.
        recorded_at: when it was told.
        spoken: whether it is a recording.
        seconds: how long the recording is.
        tags: its values.
    """

    record_id: int
    title: str | None
    summary: str | None
    member: str
    question: str | None
    recorded_at: datetime
    spoken: bool
    seconds: float | None
    tags: Sequence[str]


def newest_stories(
    connection: Connection,
    owner_id: int,
    *,
    member: str | None = None,
    tag: str | None = None,
    before: datetime | None = None,
    limit: int = 12,
) -> list[ListedStory]:
    """Stories of a family, the newest first: all, a member's, or those with a value.

    `before` is the moment of the last one of the page before.
    """
    with connection.cursor(row_factory=class_row(ListedStory)) as cursor:
        return cursor.execute(
            """
            SELECT r.id AS record_id, coalesce(
                       (SELECT value FROM edits e WHERE e.record_id = r.id AND e.field = 'title'
                        ORDER BY e.id DESC LIMIT 1), s.title) AS title,
                   s.summary, m.name AS member, q.question, r.recorded_at,
                   f.audio_key IS NOT NULL AS spoken, t.duration AS seconds,
                   ARRAY(SELECT value FROM tags WHERE tags.record_id = r.id ORDER BY value) AS tags
            FROM records r
            JOIN responses f ON f.record_id = r.id
            JOIN members m ON m.id = f.member_id
            LEFT JOIN interview_prompts q ON q.id = f.prompt_id
            LEFT JOIN stories s ON s.record_id = r.id
            LEFT JOIN transcripts t ON t.record_id = r.id
            WHERE r.owner_id = %(owner)s AND r.line = 'family'
              AND (%(member)s::text IS NULL OR m.name = %(member)s)
              AND (%(tag)s::text IS NULL OR EXISTS (
                       SELECT FROM tags WHERE tags.record_id = r.id AND value = %(tag)s))
              AND (%(before)s::timestamptz IS NULL OR r.recorded_at < %(before)s)
            ORDER BY r.recorded_at DESC, r.id DESC LIMIT %(limit)s
            """,
            {"owner": owner_id, "member": member, "tag": tag, "before": before, "limit": limit},
        ).fetchall()
