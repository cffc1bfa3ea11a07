"""What was said, with the time of each word.

A recording is decoded as a stream, cut at quiet points into pieces of a few minutes that overlap,
and the pieces are transcribed side by side and joined. A written response is its own transcript.
What a listener could not trust is stored beside it as issues: a recording that breaks off, long
silences, another language than expected, and what a model made up.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from keepsake.clients.transcription import Segment, Word
from keepsake.database import AsyncConnection
from keepsake.errors import PermanentError
from keepsake.family.response import Response
from keepsake.pipeline.line import Made, Step
from keepsake.steps.rows import replace_rows
from keepsake.steps.tools import Tools
from keepsake.text.language import language_of
from keepsake.text.realign import realigned
from keepsake.text.spans import Spoken


@dataclass(frozen=True)
class Transcript:
    """The words of a response. Times are seconds into the recording; a written one has none."""

    text: str
    language: str | None
    duration: float | None
    segments: tuple[Segment, ...] = ()
    words: tuple[Word, ...] = ()
    issues: tuple[dict[str, Any], ...] = ()
    raw: tuple[dict[str, Any], ...] = ()

    @cached_property
    def spoken(self) -> Spoken:
        """The text with the times of its words."""
        return Spoken(self.text, [(word.text, word.start, word.end) for word in self.words])


async def transcribe(response: Response, tools: Tools) -> Transcript:
    """The transcript of a response.

    Raises:
        PermanentError: the recording cannot be decoded, is too long, no one speaks in it, or the
            model does not know its language.
    """
    if response.text is not None:
        return await _written(response.text)
    assert response.audio_key is not None  # noqa: S101  # the table says: text or audio
    async with tools.recordings, tools.fetched(response.audio_key) as path:
        return await _transcribe_file(path, response, tools)


async def worded(response: Response, tools: Tools) -> Transcript:
    """The transcript of a response, in the words that people gave it, if they did.

    The words keep their times. Where nothing but the text has changed, the
    recording is not transcribed again. One that cannot be transcribed has the text without times.

    Raises:
        PermanentError: the recording cannot be decoded, is too long, or no one speaks in it.
    """
    text = response.edited_transcript
    if text is None:
        return await transcribe(response, tools)
    if response.text is not None:
        return await _written(text)
    async with tools.pool.connection() as connection:
        known = await _with_raw(connection, response.record_id)
    if known and known.text != text:
        return await asyncio.to_thread(with_text, known, text)
    try:
        heard = await transcribe(response, tools)
    except PermanentError:
        if known:
            raise  # what was there stays
        return await _written(text)
    return await asyncio.to_thread(with_text, heard, text)


async def _written(text: str) -> Transcript:
    return Transcript(text, await asyncio.to_thread(language_of, text), None)


def with_text(heard: Transcript, text: str) -> Transcript:
    """A transcript in other words: each with the time of the word in its place."""
    known = [*map(astuple, heard.words or heard.segments)]
    timed = realigned(text, known)
    spoken = Spoken(text, timed)
    times = [(span, spoken.time(span)) for span in spoken.sentences]
    return replace(
        heard,
        text=text,
        # A model that gives no times of words: then those of segments are no better than guessed.
        words=tuple(Word(*word) for word in timed) if heard.words else (),
        segments=tuple(
            Segment(text[span.start : span.end], time.start, time.end)
            for span, time in times
            if time
        ),
    )


async def _with_raw(connection: AsyncConnection, record_id: int) -> Transcript | None:
    """A stored transcript, with the providers' raw answers."""
    known = (await load(connection, [record_id])).get(record_id)
    cursor = await connection.execute(
        "SELECT raw FROM transcripts WHERE record_id = %s", (record_id,)
    )
    row = await cursor.fetchone()
    return replace(known, raw=tuple(row[0])) if known and row else None


async def _transcribe_file(path: Path, response: Response, tools: Tools) -> Transcript:
    from keepsake.family.listening import listen, open_recording

    model = tools.models.transcription
    recording = open_recording(path, model, max_seconds=60 * tools.settings.max_audio_minutes)
    written = await listen(
        recording,
        model,
        language=response.language,
        hints=(response.member, response.family),
        decoding=tools.audio,
    )
    return Transcript(
        text=written.text,
        language=written.language,
        duration=recording.properties.duration,
        segments=written.segments,
        words=written.words,
        issues=written.issues,
        raw=written.raw,
    )


async def save(connection: AsyncConnection, made: Sequence[Made[Transcript]]) -> None:
    """Store transcripts."""
    await replace_rows(
        connection,
        "transcripts",
        made,
        ("text", "language", "duration", "segments", "words", "issues", "raw"),
        lambda t: [
            (t.text, t.language, t.duration, _json(t.segments), _json(t.words),
             json.dumps(t.issues), json.dumps(t.raw))
        ],
    )  # fmt: skip


async def load(connection: AsyncConnection, ids: Sequence[int]) -> Mapping[int, Transcript]:
    """Read stored transcripts, without the providers' raw answers."""
    cursor = await connection.execute(
        "SELECT record_id, text, language, duration, segments, words, issues FROM transcripts"
        " WHERE record_id = ANY(%s)",
        (list(ids),),
    )
    return {
        record_id: Transcript(
            text,
            language,
            duration,
            tuple(Segment(*segment) for segment in segments),
            tuple(Word(*word) for word in words),
            tuple(issues),
        )
        async for record_id, text, language, duration, segments, words, issues in cursor
    }


def _json(pieces: Sequence[Word | Segment]) -> str:
    return json.dumps([astuple(piece) for piece in pieces], ensure_ascii=False)


TRANSCRIPTS = Step(
    name="transcripts",
    version="2",
    roles=("transcription",),
    make=worded,
    save=save,
    load=load,
    output_key=lambda t: (t.text, t.words, t.segments),
)
