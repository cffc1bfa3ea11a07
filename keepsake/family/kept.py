"""What was made of a response, read together as people look at it.

For the command line and the demo. Each step's rows are written by the step, in `assets/family/`.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from keepsake.database import Connection
from keepsake.errors import InvalidInput


@dataclass(frozen=True)
class Record:
    """A record and its status. `member` and `spoken` are known for a response of a family."""

    id: int
    line: str
    owner: str
    member: str | None
    spoken: bool
    recorded_at: datetime
    priority: int
    status: str


@dataclass(frozen=True)
class Story:
    """A story's title and its summary in one line."""

    title: str
    summary: str


@dataclass(frozen=True)
class Advice:
    """A piece of wisdom: what it says, who may use it, in which part of life."""

    advice: str
    audience: str
    life_area: str


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
class Kept:
    """Everything that was made of a record; what is not made yet, or failed, is missing."""

    record: Record
    story: Story | None
    tags: tuple[str, ...]
    wisdom: tuple[Advice, ...]
    quotes: tuple[Quote, ...]
    episode: Episode | None


def kept(connection: Connection, record_id: int) -> Kept:
    """What was made of a record.

    Raises:
        InvalidInput: there is no such record.
    """
    this = (record_id,)
    with connection.cursor(row_factory=class_row(Record)) as records:
        record = records.execute(
            """
            SELECT r.id, r.line, o.name AS owner, m.name AS member, r.recorded_at, r.priority,
                   f.audio_key IS NOT NULL AS spoken, coalesce(s.status, 'PENDING') AS status
            FROM records r
            JOIN owners o ON o.id = r.owner_id
            LEFT JOIN record_status s ON s.record_id = r.id
            LEFT JOIN responses f ON f.record_id = r.id
            LEFT JOIN members m ON m.id = f.member_id
            WHERE r.id = %s
            """,
            this,
        ).fetchone()
    if record is None:
        raise InvalidInput(f"there is no record {record_id}")
    with (
        connection.cursor(row_factory=class_row(Story)) as stories,
        connection.cursor(row_factory=class_row(Advice)) as wisdom,
        connection.cursor(row_factory=class_row(Quote)) as quotes,
        connection.cursor(row_factory=class_row(Episode)) as episodes,
    ):
        story = stories.execute("SELECT title, summary FROM stories WHERE record_id = %s", this)
        tags = connection.execute(
            "SELECT value FROM value_tags WHERE record_id = %s ORDER BY value", this
        )
        wisdom.execute(
            "SELECT advice, audience, life_area FROM wisdom WHERE record_id = %s ORDER BY position",
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
        return Kept(
            record=record,
            story=story.fetchone(),
            tags=tuple(row[0] for row in tags),
            wisdom=tuple(wisdom),
            quotes=tuple(quotes),
            episode=episodes.fetchone(),
        )
