"""What a family's feed tells: the family, and the episodes that are in it, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg.rows import class_row

from keepsake.database import Connection
from keepsake.delivery.feeds import changed_at, feed_guid
from keepsake.family.feed.approval import IN_FEED
from keepsake.pipeline.fingerprint import fingerprint

FORMAT = "1"  # of what `rss.py` writes: another one, and readers fetch feeds that are unchanged


@dataclass(frozen=True)
class Episode:
    """An episode as listeners see it.

    Attributes:
        record_id: of the story.
        recorded_at: when the story was told: an episode that is made again stays in its place.
        title, summary: of the story.
        teller: who told it.
        question: the interview prompt that it answers.
        quotes: the teller's own words.
        language: of what is said, as an ISO 639 code.
        duration: in seconds.
        size_bytes: of the mp3.
        audio_key, vtt_key, chapters_key: its objects.
    """

    record_id: int
    recorded_at: datetime
    title: str
    summary: str
    teller: str
    question: str | None
    quotes: Sequence[str]
    language: str | None
    duration: float
    size_bytes: int
    audio_key: str
    vtt_key: str
    chapters_key: str


@dataclass(frozen=True)
class Channel:
    """A family's feed.

    Attributes:
        guid: its name for ever (`podcast:guid`).
        family: the family's name.
        language: what the family speaks.
        zone: the family's time zone.
        tellers: whose stories are in it.
        episodes: newest first.
        changed_at: since when it says what it says now, to the second.
    """

    guid: UUID
    family: str
    language: str
    zone: ZoneInfo
    tellers: tuple[str, ...]
    episodes: Sequence[Episode]
    changed_at: datetime


def read_channel(connection: Connection, owner_id: int, root: str) -> Channel | None:
    """The feed of a family; None: the owner is none.

    Args:
        connection: to the database.
        owner_id: whose feed.
        root: of `feed_root`.
    """
    row = connection.execute(
        "SELECT o.name, f.language, o.time_zone FROM families f JOIN owners o ON o.id = f.owner_id"
        " WHERE f.owner_id = %s",
        (owner_id,),
    ).fetchone()
    if row is None:
        return None
    family, language, zone = row
    episodes = _read(connection, owner_id, None)
    content = fingerprint(FORMAT, family, language, zone, root, episodes)
    return Channel(
        guid=feed_guid(connection, owner_id, root),
        family=family,
        language=language,
        zone=ZoneInfo(zone),
        tellers=tuple(sorted({episode.teller for episode in episodes})),
        episodes=episodes,
        changed_at=changed_at(connection, owner_id, "podcast", content),
    )


def family_name(connection: Connection, owner_id: int) -> str | None:
    """The name of a family; None: the owner is none."""
    row = connection.execute(
        "SELECT o.name FROM families f JOIN owners o ON o.id = f.owner_id WHERE f.owner_id = %s",
        (owner_id,),
    ).fetchone()
    return row[0] if row else None


def read_episode(connection: Connection, owner_id: int, record_id: int) -> Episode | None:
    """One episode; None: it is not in the feed, or not any more."""
    return next(iter(_read(connection, owner_id, record_id)), None)


def _read(connection: Connection, owner_id: int, record_id: int | None) -> list[Episode]:
    with connection.cursor(row_factory=class_row(Episode)) as cursor:
        return cursor.execute(
            f"""
            SELECT p.record_id, r.recorded_at,
                   coalesce(edited.value, s.title) AS title, s.summary, m.name AS teller,
                   i.question, t.language, p.duration, p.size_bytes, p.audio_key, p.vtt_key,
                   p.chapters_key,
                   ARRAY(SELECT q.text FROM quotes q WHERE q.record_id = p.record_id
                         ORDER BY q.position) AS quotes
            FROM podcasts p
            JOIN records r ON r.id = p.record_id
            JOIN stories s ON s.record_id = p.record_id
            JOIN responses f ON f.record_id = p.record_id
            JOIN members m ON m.id = f.member_id
            LEFT JOIN interview_prompts i ON i.id = f.prompt_id
            LEFT JOIN transcripts t ON t.record_id = p.record_id
            LEFT JOIN story_visibility v ON v.record_id = p.record_id
            LEFT JOIN feeds ON feeds.owner_id = p.owner_id
            LEFT JOIN LATERAL (SELECT value FROM edits e
                               WHERE e.record_id = p.record_id AND e.field = 'title'
                               ORDER BY e.id DESC LIMIT 1) AS edited ON true
            WHERE p.owner_id = %(owner)s
              AND (%(record)s::bigint IS NULL OR p.record_id = %(record)s) AND {IN_FEED}
            ORDER BY r.recorded_at DESC, r.id DESC
            """.encode(),  # noqa: S608
            {"owner": owner_id, "record": record_id},
        ).fetchall()
