"""A family's stories, people, quotes and questions as its pages list them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from psycopg.rows import class_row

from keepsake.database import Connection
from keepsake.family.spoken_text import SpokenParagraph, spoken_text
from keepsake.family.views import ResponseView, read_response
from keepsake.family.weekly_prompts import InterviewPrompt, interview_prompts

Row = TypeVar("Row")


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


@dataclass(frozen=True)
class ListedQuote:
    """A quote, who said it, and where its clip is; None: it was written."""

    record_id: int
    text: str
    member: str
    clip_key: str | None


@dataclass(frozen=True)
class ListedAdvice:
    """A piece of advice, for whom, and who gave it."""

    record_id: int
    advice: str
    audience: str
    member: str


@dataclass(frozen=True)
class Counted:
    """A member or a value, and on how many responses."""

    name: str
    responses: int


@dataclass(frozen=True)
class ReadStory:
    """A story to read and to hear: what was made, and its texts with the times of their words.

    `paragraphs` are of the story, or of the transcript where there is no story; `word_for_word` of
    the transcript, where it is not the same.
    """

    made: ResponseView
    paragraphs: Sequence[SpokenParagraph]
    word_for_word: Sequence[SpokenParagraph]


@dataclass(frozen=True)
class Home:
    """What a family's first page shows.

    Attributes:
        latest: the newest story that is told; None: there is none yet.
        stories: the newest others.
        questions: of the last week that had any, first those that nobody has answered.
        quotes: the newest, one of each story.
        wisdom: the newest, one of each story.
        people: all members.
        values: on responses, the most frequent first.
    """

    latest: ReadStory | None
    stories: Sequence[ListedStory]
    questions: Sequence[InterviewPrompt]
    quotes: Sequence[ListedQuote]
    wisdom: Sequence[ListedAdvice]
    people: Sequence[Counted]
    values: Sequence[Counted]


def read_home(connection: Connection, owner_id: int) -> Home:
    """What a family's first page shows."""
    stories = newest_stories(connection, owner_id, limit=7)
    told = [story for story in stories if story.title]
    first = next((story for story in told if story.spoken), None) or next(iter(told), None)
    return Home(
        latest=read_story(connection, owner_id, first.record_id) if first else None,
        stories=[story for story in stories if story != first],
        questions=_questions(connection, owner_id),
        quotes=_rows(connection, ListedQuote, _QUOTES, owner_id),
        wisdom=_rows(connection, ListedAdvice, _WISDOM, owner_id),
        people=_rows(connection, Counted, _PEOPLE, owner_id),
        values=_rows(connection, Counted, _VALUES, owner_id),
    )


def read_story(connection: Connection, owner_id: int, record_id: int) -> ReadStory:
    """What was made of a response, with the times of the words.

    Raises:
        InvalidInput: there is no such record.
    """
    made = read_response(connection, owner_id, record_id)
    row = connection.execute(
        "SELECT CASE words WHEN '[]' THEN segments ELSE words END FROM transcripts"
        " WHERE record_id = %s AND owner_id = %s",
        (record_id, owner_id),
    ).fetchone()
    words = [(text, start, end) for text, start, end in row[0]] if row else []
    said = made.transcript.text if made.transcript else ""
    shown = made.story.text if made.story else said
    return ReadStory(
        made,
        paragraphs=spoken_text(shown, words) if shown else [],
        word_for_word=spoken_text(said, words) if said and said.split() != shown.split() else [],
    )


def newest_stories(
    connection: Connection,
    owner_id: int,
    *,
    member: str | None = None,
    tag: str | None = None,
    before: int | None = None,
    limit: int = 12,
) -> list[ListedStory]:
    """Stories of a family, the newest first: all, a member's, or those with a value.

    `before` is the record of the last one on the page before.
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
              AND (%(before)s::bigint IS NULL OR (r.recorded_at, r.id) <
                       (SELECT b.recorded_at, b.id FROM records b WHERE b.id = %(before)s))
            ORDER BY r.recorded_at DESC, r.id DESC LIMIT %(limit)s
            """,
            {"owner": owner_id, "member": member, "tag": tag, "before": before, "limit": limit},
        ).fetchall()


def members(connection: Connection, owner_id: int) -> list[Counted]:
    """The members of a family, and how much each has told."""
    return _rows(connection, Counted, _PEOPLE, owner_id)


def _questions(connection: Connection, owner_id: int) -> list[InterviewPrompt]:
    prompts = interview_prompts(connection, owner_id)
    weeks = [prompt.week for prompt in prompts if prompt.week]
    of_week = [prompt for prompt in prompts if not weeks or prompt.week in (None, weeks[0])]
    return sorted(of_week, key=lambda prompt: bool(prompt.answered_by))[:3]


def _rows(connection: Connection, shape: type[Row], query: str, owner_id: int) -> list[Row]:
    with connection.cursor(row_factory=class_row(shape)) as cursor:
        return cursor.execute(query.encode(), (owner_id,)).fetchall()


_QUOTES = """
    SELECT record_id, text, member, clip_key FROM (
        SELECT DISTINCT ON (q.record_id) q.record_id, q.text, m.name AS member, q.clip_key,
               r.recorded_at
        FROM quotes q JOIN records r ON r.id = q.record_id
        JOIN responses f ON f.record_id = q.record_id JOIN members m ON m.id = f.member_id
        WHERE q.owner_id = %s ORDER BY q.record_id, q.position
    ) AS firsts ORDER BY recorded_at DESC LIMIT 4
"""
_WISDOM = """
    SELECT record_id, advice, audience, member FROM (
        SELECT DISTINCT ON (w.record_id) w.record_id, w.advice, w.audience, m.name AS member,
               r.recorded_at
        FROM wisdom w JOIN records r ON r.id = w.record_id
        JOIN responses f ON f.record_id = w.record_id JOIN members m ON m.id = f.member_id
        WHERE w.owner_id = %s ORDER BY w.record_id, w.position
    ) AS firsts ORDER BY recorded_at DESC LIMIT 4
"""
_PEOPLE = """
    SELECT m.name, count(f.record_id) AS responses
    FROM members m LEFT JOIN responses f ON f.member_id = m.id
    WHERE m.owner_id = %s GROUP BY m.id ORDER BY responses DESC, m.name
"""
_VALUES = """
    SELECT value AS name, count(*) AS responses FROM tags
    WHERE owner_id = %s GROUP BY value ORDER BY responses DESC, value LIMIT 24
"""
