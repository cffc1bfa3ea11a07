"""What was made of a response, read together as people look at it.

For the command line and the demo. Each step's rows are written by the step, in `assets/family/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from keepsake.database import Connection
from keepsake.records.lookup import unknown_record


@dataclass(frozen=True)
class Record:
    """A record and its status. What follows `owner` is known for a response of a family.

    Attributes:
        id: of the record.
        line: its line.
        owner: the family's name.
        member: who said or wrote it.
        question: the interview prompt that it answers.
        language: what the family speaks, as an ISO 639 code.
        spoken: whether it is a recording.
        audio_key: the recording's object.
        recorded_at: when it was said or written.
        priority: of its record.
        status: as people see it.
    """

    id: int
    line: str
    owner: str
    member: str | None
    question: str | None
    language: str | None
    spoken: bool
    audio_key: str | None
    recorded_at: datetime
    priority: int
    status: str


@dataclass(frozen=True)
class Transcript:
    """What was said. `duration` is in seconds; `issues` are what a listener could not trust."""

    text: str
    language: str | None
    duration: float | None
    issues: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Story:
    """A story's title, its summary in one line, and its text in paragraphs."""

    title: str
    summary: str
    text: str


@dataclass(frozen=True)
class Tag:
    """A value that a response shows, and whether a person set it (`human`) or a model (`ai`)."""

    value: str
    source: str


@dataclass(frozen=True)
class Advice:
    """A piece of wisdom: what it says, who may use it, in which part of life.

    `support` are the speaker's words that it rests on, `starts_at` is when they are said, in
    seconds into the recording.
    """

    advice: str
    audience: str
    life_area: str
    support: str
    starts_at: float | None


@dataclass(frozen=True)
class Quote:
    """Words as they were said. Times are seconds into the recording, `clip_key` its object."""

    text: str
    starts_at: float | None
    ends_at: float | None
    clip_key: str | None


@dataclass(frozen=True)
class Episode:
    """A podcast episode: its objects, and its length in seconds."""

    audio_key: str
    vtt_key: str
    chapters_key: str
    duration: float


@dataclass(frozen=True)
class ResponseView:
    """Everything that was made of a record; what is not made yet, or failed, is missing."""

    record: Record
    transcript: Transcript | None
    story: Story | None
    tags: tuple[Tag, ...]
    wisdom: tuple[Advice, ...]
    quotes: tuple[Quote, ...]
    episode: Episode | None


_EDITED = (
    "(SELECT value FROM edits WHERE record_id = t.record_id AND field = %(field)s"
    " ORDER BY edits.id DESC LIMIT 1)"
)


def read_response(connection: Connection, record_id: int) -> ResponseView:
    """What was made of a record.

    Raises:
        InvalidInput: there is no such record.
    """
    this = (record_id,)
    with connection.cursor(row_factory=class_row(Record)) as records:
        record = records.execute(
            """
            SELECT r.id, r.line, o.name AS owner, m.name AS member, q.question,
                   families.language, r.recorded_at, r.priority, f.audio_key,
                   f.audio_key IS NOT NULL AS spoken, coalesce(s.status, 'PENDING') AS status
            FROM records r
            JOIN owners o ON o.id = r.owner_id
            LEFT JOIN record_status s ON s.record_id = r.id
            LEFT JOIN responses f ON f.record_id = r.id
            LEFT JOIN families ON families.owner_id = f.owner_id
            LEFT JOIN members m ON m.id = f.member_id
            LEFT JOIN interview_prompts q ON q.id = f.prompt_id
            WHERE r.id = %s
            """,
            this,
        ).fetchone()
    if record is None:
        raise unknown_record(connection, record_id)
    with (
        connection.cursor(row_factory=class_row(Transcript)) as transcripts,
        connection.cursor(row_factory=class_row(Story)) as stories,
        connection.cursor(row_factory=class_row(Tag)) as tags,
        connection.cursor(row_factory=class_row(Advice)) as wisdom,
        connection.cursor(row_factory=class_row(Quote)) as quotes,
        connection.cursor(row_factory=class_row(Episode)) as episodes,
    ):
        # What people changed is shown at once, before the steps have followed.
        transcripts.execute(
            f"SELECT coalesce({_EDITED}, text) AS text, language, duration, issues"  # noqa: S608
            " FROM transcripts t WHERE record_id = %(id)s",
            {"id": record_id, "field": "transcript"},
        )
        stories.execute(
            f"SELECT coalesce({_EDITED}, title) AS title, summary, text"  # noqa: S608
            " FROM stories t WHERE record_id = %(id)s",
            {"id": record_id, "field": "title"},
        )
        tags.execute("SELECT value, source FROM tags WHERE record_id = %s ORDER BY value", this)
        wisdom.execute(
            "SELECT advice, audience, life_area, support, starts_at FROM wisdom"
            " WHERE record_id = %s ORDER BY position",
            this,
        )
        quotes.execute(
            "SELECT text, starts_at, ends_at, clip_key FROM quotes WHERE record_id = %s"
            " ORDER BY position",
            this,
        )
        episodes.execute(
            "SELECT audio_key, vtt_key, chapters_key, duration FROM podcasts WHERE record_id = %s",
            this,
        )
        return ResponseView(
            record=record,
            transcript=transcripts.fetchone(),
            story=stories.fetchone(),
            tags=tuple(tags),
            wisdom=tuple(wisdom),
            quotes=tuple(quotes),
            episode=episodes.fetchone(),
        )
