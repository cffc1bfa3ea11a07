"""What was made of a response, read together as people see it.

For the command line and the demo. The tables' rows are the steps' (`keepsake/family/steps/`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg.rows import dict_row

from keepsake.database import Connection
from keepsake.family.remarks import remark
from keepsake.family.steps.podcasts import Podcast
from keepsake.family.steps.quotes import Quote
from keepsake.family.steps.stories import Story
from keepsake.family.steps.wisdom import Advice
from keepsake.records.progress import RecordHead, record_head
from keepsake.steps.rows import read_row, read_rows


@dataclass(frozen=True)
class ResponseHead(RecordHead):
    """A record of the family line and what it came as.

    Attributes:
        member: who said or wrote it.
        question: the interview prompt that it answers.
        language: what the family speaks, as an ISO 639 code.
        spoken: whether it is a recording.
        audio_key: the recording's object.
    """

    member: str | None
    question: str | None
    language: str | None
    spoken: bool
    audio_key: str | None


@dataclass(frozen=True)
class TranscriptText:
    """A transcript without the times of its words, which readers of the whole do not need.

    `duration` is in seconds; `issues` are what a listener could not trust.
    """

    text: str
    language: str | None
    duration: float | None
    issues: Sequence[Mapping[str, Any]]

    @property
    def remarks(self) -> list[str]:
        """The issues in words."""
        return [remark(issue) for issue in self.issues]


@dataclass(frozen=True)
class Tag:
    """A value that a response shows, and whether a person set it (`human`) or a model (`ai`)."""

    value: str
    source: str


@dataclass(frozen=True)
class ResponseView:
    """Everything that was made of a record; what is not made yet, or failed, is missing."""

    record: ResponseHead
    transcript: TranscriptText | None
    story: Story | None
    tags: tuple[Tag, ...]
    wisdom: tuple[Advice, ...]
    quotes: tuple[Quote, ...]
    episode: Podcast | None

    @property
    def title(self) -> str:
        """The story's, as far as there is one."""
        return self.story.title if self.story else f"Record {self.record.id}"

    @property
    def language(self) -> str | None:
        """Of the words, or what the family speaks."""
        return self.transcript.language if self.transcript else self.record.language

    def objects(self) -> Iterator[tuple[str, str]]:
        """The recording, the clips and the episode's files."""
        if self.record.audio_key:
            yield "recording", self.record.audio_key
        for quote in self.quotes:
            if quote.clip_key:
                yield "clip", quote.clip_key
        if self.episode:
            yield "episode", self.episode.audio_key
            yield "captions", self.episode.vtt_key
            yield "chapters", self.episode.chapters_key


def read_response(connection: Connection, owner_id: int, record_id: int) -> ResponseView:
    """What was made of a response of an owner.

    What people changed is shown at once, before the steps have followed.

    Raises:
        InvalidInput: there is no such record.
    """
    head = _head(connection, owner_id, record_id)
    edited = _edited(connection, owner_id, record_id)
    transcript = read_row(connection, "transcripts", TranscriptText, owner_id, record_id)
    story = read_row(connection, "stories", Story, owner_id, record_id)
    if transcript and "transcript" in edited:
        transcript = replace(transcript, text=edited["transcript"])
    if story:
        story = replace(
            story,
            title=edited.get("title", story.title),
            text=edited.get("story", story.text),
        )
    return ResponseView(
        record=head,
        transcript=transcript,
        story=story,
        tags=read_rows(connection, "tags", Tag, owner_id, record_id, order="value"),
        wisdom=read_rows(connection, "wisdom", Advice, owner_id, record_id, order="position"),
        quotes=read_rows(connection, "quotes", Quote, owner_id, record_id, order="position"),
        episode=read_row(connection, "podcasts", Podcast, owner_id, record_id),
    )


def _head(connection: Connection, owner_id: int, record_id: int) -> ResponseHead:
    head = record_head(connection, owner_id, record_id)
    with connection.cursor(row_factory=dict_row) as rows:
        row = rows.execute(
            """
            SELECT m.name AS member, q.question, families.language, f.audio_key,
                   f.audio_key IS NOT NULL AS spoken
            FROM records r
            LEFT JOIN responses f ON f.record_id = r.id
            LEFT JOIN families ON families.owner_id = f.owner_id
            LEFT JOIN members m ON m.id = f.member_id
            LEFT JOIN interview_prompts q ON q.id = f.prompt_id
            WHERE r.id = %s AND r.owner_id = %s
            """,
            (record_id, owner_id),
        ).fetchone()
    return ResponseHead(**vars(head), **(row or {}))


def _edited(connection: Connection, owner_id: int, record_id: int) -> dict[str, str]:
    """The texts that people gave in place of those that were made, by field."""
    rows = connection.execute(
        "SELECT DISTINCT ON (field) field, value FROM edits"
        " WHERE record_id = %s AND owner_id = %s ORDER BY field, id DESC",
        (record_id, owner_id),
    )
    return {field: value for field, value in rows if value is not None}
