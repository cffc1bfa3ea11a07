"""What was said, with the time of each word.

A recording is decoded as a stream, cut at quiet points into pieces of a few minutes, and the
pieces are transcribed side by side. A written response is its own transcript. What a listener
could not trust is kept beside it as issues: a recording that breaks off, long silences, and loops,
words a model repeats over and over where nothing was said.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from assets.line_assets import StepAsset
from keepsake.clients.transcription import Heard, Segment, Word
from keepsake.database import AsyncConnection, replace_rows
from keepsake.errors import PermanentError
from keepsake.family import Response
from keepsake.line import Step
from keepsake.realign import realigned
from keepsake.text import Spoken, loops
from resources.tools import Tools

if TYPE_CHECKING:
    from keepsake.audio.recording import Chunk, Recording

W = TypeVar("W", Word, Segment)

PIECES_AT_ONCE = 2  # of one recording: enough to hide waiting, few enough to leave room for others


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
        PermanentError: the recording cannot be decoded, is too long, or nobody speaks in it.
    """
    if response.text is not None:
        return Transcript(response.text, response.language, None)
    assert response.audio_key is not None  # noqa: S101  # the table says: text or audio
    async with tools.recordings, tools.fetched(response.audio_key) as path:
        return await _transcribe_file(path, response, tools)


async def worded(response: Response, tools: Tools) -> Transcript:
    """The transcript of a response, in the words that people gave it, if they did.

    The words keep the times at which they were heard. Where nothing but the text has changed, the
    recording is not transcribed again. One that nobody can transcribe has the text without times.

    Raises:
        PermanentError: the recording cannot be decoded, is too long, or nobody speaks in it.
    """
    text = response.edited_transcript
    if text is None:
        return await transcribe(response, tools)
    if response.text is not None:
        return Transcript(text, response.language, None)
    async with tools.pool.connection() as connection:
        known = await _with_raw(connection, response.record_id)
    if known and known.text != text:
        return await asyncio.to_thread(with_text, known, text)
    try:
        heard = await transcribe(response, tools)
    except PermanentError:
        if known:
            raise  # what was there stands
        return Transcript(text, response.language, None)
    return await asyncio.to_thread(with_text, heard, text)


def with_text(heard: Transcript, text: str) -> Transcript:
    """A transcript in other words: each with the time of what was heard in its place."""
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
    from keepsake.audio.recording import Recording

    recording = Recording(path, max_seconds=60 * tools.settings.max_audio_minutes)
    heard = await _listen(recording, response, tools)
    issues = [issue for _, _, found in heard for issue in found]
    text = " ".join(piece.text.strip() for _, piece, _ in heard if piece.text.strip())
    if not text:
        raise PermanentError(
            f"no speech was found in {recording.heard.duration:.1f} s of audio "
            f"(loudest {recording.heard.peak_db:.0f} dBFS): check the recording"
        )
    return Transcript(
        text=text,
        language=heard[0][1].language or response.language,
        duration=recording.heard.duration,
        segments=tuple(_shifted(s, start) for start, piece, _ in heard for s in piece.segments),
        words=tuple(_shifted(w, start) for start, piece, _ in heard for w in piece.words),
        issues=(*_recording_issues(recording), *issues),
        raw=tuple({"starts_at": start, **piece.raw} for start, piece, _ in heard),
    )


async def _listen(
    recording: "Recording", response: Response, tools: Tools
) -> list[tuple[float, Heard, list[dict[str, Any]]]]:
    """The pieces of a recording in order: start in seconds, what was heard, what is doubtful."""
    pieces = recording.chunks()
    places = asyncio.Semaphore(PIECES_AT_ONCE)
    tasks = []
    try:
        async with asyncio.TaskGroup() as group:
            while True:
                await places.acquire()
                async with tools.audio:
                    piece = await asyncio.to_thread(next, pieces, None)
                if piece is None:
                    break
                tasks.append(group.create_task(_hear(piece, places, response, tools)))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None  # the others were cancelled for its sake
    return [task.result() for task in tasks]


async def _hear(
    piece: "Chunk", places: asyncio.Semaphore, response: Response, tools: Tools
) -> tuple[float, Heard, list[dict[str, Any]]]:
    try:
        if piece.silent:  # a model asked all the same makes words up
            return piece.start, Heard("", None, piece.duration, (), (), {}), []
        heard = await tools.models.transcription.transcribe(
            piece.data,
            filename=piece.filename,
            language=response.language,
            hints=(response.member, response.family),
        )
        return piece.start, *_without_loops(heard, piece.start)
    finally:
        places.release()


def _without_loops(heard: Heard, offset: float) -> tuple[Heard, list[dict[str, Any]]]:
    """What was heard with each loop said once, and an issue for each. `raw` keeps them."""
    said = [word.text for word in heard.words] or heard.text.split()
    found = loops(said)
    if not found:
        return heard, []
    dropped = {at for loop in found for at in range(loop.start + loop.length, loop.end)}
    kept = [at for at in range(len(said)) if at not in dropped]
    issues = []
    for loop in found:
        issue: dict[str, Any] = {"kind": "loop", "words": loop.length, "times": loop.times}
        if heard.words:
            issue["start"] = round(offset + heard.words[loop.start].start, 2)
            issue["end"] = round(offset + heard.words[loop.end - 1].end, 2)
        issues.append(issue)
    return (
        Heard(
            text=" ".join(said[at].strip() for at in kept),
            language=heard.language,
            duration=heard.duration,
            segments=heard.segments,
            words=tuple(heard.words[at] for at in kept) if heard.words else (),
            raw=heard.raw,
        ),
        issues,
    )


def _recording_issues(recording: "Recording") -> list[dict[str, Any]]:
    heard = recording.heard
    issues: list[dict[str, Any]] = [
        {"kind": "silence", "start": round(span.start, 2), "end": round(span.end, 2)}
        for span in heard.silences
    ]
    if heard.truncated:
        issues.append(
            {
                "kind": "truncated",
                "start": round(heard.duration, 2),
                "end": round(heard.declared_seconds or heard.duration, 2),
            }
        )
    return issues


def _shifted(piece: W, seconds: float) -> W:
    return type(piece)(piece.text, round(piece.start + seconds, 3), round(piece.end + seconds, 3))


async def save(connection: AsyncConnection, results: Sequence[tuple[int, Transcript]]) -> None:
    """Store transcripts."""
    await replace_rows(
        connection,
        "transcripts",
        [record_id for record_id, _ in results],
        ("record_id", "text", "language", "duration", "segments", "words", "issues", "raw"),
        [
            (record_id, t.text, t.language, t.duration, _json(t.segments), _json(t.words),
             json.dumps(t.issues), json.dumps(t.raw))
            for record_id, t in results
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


TRANSCRIPTS = StepAsset(
    Step(
        name="transcripts",
        version="1",
        roles=("transcription",),
        make=worded,
        save=save,
        load=load,
        essence=lambda t: (t.text, t.words, t.segments),
    ),
    description=__doc__ or "",
    columns=[
        ("record_id", "bigint", "the response"),
        ("text", "text", "what was said, or written"),
        ("language", "text", "ISO 639 code"),
        ("duration", "real", "seconds; empty for a written response"),
        ("segments", "jsonb", "[text, start, end] in seconds"),
        ("words", "jsonb", "[text, start, end] in seconds; empty if the model gives no word times"),
        ("issues", "jsonb", "loops, long silences, truncation"),
        ("raw", "jsonb", "the provider's answers as they came"),
    ],
)
