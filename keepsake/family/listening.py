"""A recording transcribed: decoded as a stream, transcribed in pieces, the pieces joined again.

Two neighbouring pieces both hold what is said around the cut between them. They are joined at a
word that both have, so that no word is lost or said twice. What a listener could not trust is
reported beside the text as issues.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import reduce
from itertools import groupby
from typing import TYPE_CHECKING, Any

from keepsake.clients.invented import clearness, doubtful_share, sift
from keepsake.clients.transcription import Transcription, language_refusal
from keepsake.clients.transcription_result import Segment, TranscriptionResult, Word, places
from keepsake.errors import PermanentError
from keepsake.text.spans import loops, word_count, word_key

if TYPE_CHECKING:
    from pathlib import Path

    from keepsake.audio.recording import Chunk, Recording

PIECES_AT_ONCE = 2  # of one recording: enough to hide waiting, few enough to leave room for others
OVERLAP = 6.0  # seconds that a piece reaches over the cut
AGREE = 1.5  # seconds that two pieces may differ about the time of a word
UNTIMED, IN_A_ROW = 60, 3  # words compared where they have no times, and how many must agree
PUNCTUATION = " .,!?;:…\"'“”"
SURE_OF_LANGUAGE = 0.8  # probability at which the model is believed against what was declared
FOREIGN = 0.5  # share of doubtful letters at which a model of few languages is not believed


@dataclass(frozen=True)
class ListenerTranscript:
    """What is said in a recording. Times are seconds on the recording's clock.

    `issues` are described in docs/family-line.md; `raw` are the provider's answers.
    """

    text: str
    language: str | None
    segments: tuple[Segment, ...]
    words: tuple[Word, ...]
    issues: tuple[dict[str, Any], ...]
    raw: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class _Piece:
    """The transcription of one chunk, on the recording's clock; `heard.raw` is the answer."""

    start: float
    end: float
    cut: float
    heard: TranscriptionResult
    issues: list[dict[str, Any]]


def open_recording(
    path: "Path", transcription: Transcription, *, max_seconds: float = 7200.0
) -> "Recording":
    """The recording in pieces as the model needs them."""
    from keepsake.audio.recording import Recording

    # Without the times of words two pieces could be joined only by guessing.
    overlap = OVERLAP if transcription.capabilities.words else 0.0
    return Recording(path, max_seconds=max_seconds, overlap_seconds=overlap)


async def listen(
    recording: "Recording",
    transcription: Transcription,
    *,
    language: str | None = None,
    hints: Sequence[str] = (),
    decoding: AbstractAsyncContextManager[object] | None = None,
) -> ListenerTranscript:
    """Write down a recording.

    Args:
        recording: from `open_recording()`, not yet decoded.
        transcription: the model.
        language: what it is expected to be in, an ISO 639-1 code.
        hints: names to expect, for models that take them.
        decoding: entered for each piece while it is decoded, to bound the processor's work.

    Raises:
        PermanentError: it cannot be decoded, is too long, there is no speech in it, or it is in a
            language that the model does not know.
    """
    ask = _Ask(transcription, language, tuple(hints))
    can = transcription.capabilities
    if refused := language_refusal(transcription.model, can, language):
        raise PermanentError(refused)
    pieces = await _pieces(recording, ask, decoding or nullcontext())
    silences = [(span.start, span.end) for span in recording.properties.silences]
    whole = reduce(_joined, pieces)
    heard, in_silence = _without_silence(whole.heard, silences)
    if not word_count(heard.text):
        raise PermanentError(
            f"no speech was found in {recording.properties.duration:.1f} s of audio "
            f"(loudest {recording.properties.peak_db:.0f} dBFS){_knows(transcription)}: "
            "check the recording"
        )
    return ListenerTranscript(
        text=heard.text,
        language=_main_language(pieces) or language,
        segments=heard.segments,
        words=heard.words,
        issues=(
            *_recording_issues(recording),
            *_language_issues(pieces, language),
            *in_silence,
            *(issue for piece in pieces for issue in piece.issues),
        ),
        raw=tuple({"starts_at": piece.start, **piece.heard.raw} for piece in pieces),
    )


# -- one piece ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ask:
    """Which model to ask, and what is expected."""

    transcription: Transcription
    language: str | None
    hints: tuple[str, ...]


async def _pieces(
    recording: "Recording", ask: _Ask, decoding: AbstractAsyncContextManager[object]
) -> list[_Piece]:
    chunks = recording.chunks()
    places_left = asyncio.Semaphore(PIECES_AT_ONCE)
    tasks = []
    try:
        async with asyncio.TaskGroup() as group:
            while True:
                await places_left.acquire()
                async with decoding:
                    chunk = await asyncio.to_thread(next, chunks, None)
                if chunk is None:
                    break
                tasks.append(group.create_task(_heard(chunk, places_left, ask)))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None  # the others were cancelled for its sake
    return [task.result() for task in tasks]


async def _heard(chunk: "Chunk", places_left: asyncio.Semaphore, ask: _Ask) -> _Piece:
    try:
        if chunk.silent:  # a model asked all the same makes words up
            answer = TranscriptionResult("", None, chunk.duration, (), (), {})
        else:
            answer = await _asked(chunk, ask)
    finally:
        places_left.release()
    heard, issues = _plausible(answer, ask)
    for issue in issues:
        for side in ("start", "end"):
            if side in issue:
                issue[side] = round(issue[side] + chunk.start, 2)
    end = chunk.start + chunk.duration
    return _Piece(chunk.start, end, chunk.cut, heard.later(chunk.start), issues)


async def _asked(chunk: "Chunk", ask: _Ask) -> TranscriptionResult:
    """What the model hears in the language that it finds.

    Where it is not sure of one that was not expected, it is asked for the expected one too, and
    that counts in which it finds the clearer words.
    """
    can = ask.transcription.capabilities
    heard = await ask.transcription.transcribe(
        chunk.data,
        filename=chunk.filename,
        language=None if can.detects else ask.language,
        hints=ask.hints,
    )
    sure = heard.language_probability
    if not can.detects or not ask.language or heard.language in (None, ask.language):
        return heard
    if not heard.text or sure is None or sure >= SURE_OF_LANGUAGE:
        return heard
    expected = await ask.transcription.transcribe(
        chunk.data, filename=chunk.filename, language=ask.language, hints=ask.hints
    )
    return heard if clearness(heard) > clearness(expected) else expected


def _plausible(
    heard: TranscriptionResult, ask: _Ask
) -> tuple[TranscriptionResult, list[dict[str, Any]]]:
    """The result without what was not said, and an issue for each such thing."""
    can = ask.transcription.capabilities
    if can.languages and doubtful_share(heard) > FOREIGN:
        raise PermanentError(
            f"{ask.transcription.model} understands only {', '.join(can.languages)}, and most of "
            "what it wrote down makes no sense as that: if the recording is in another language, "
            "set TRANSCRIPTION_MODEL to a model that knows it (embedded: whisper-base)"
        )
    sifted, dropped = sift(heard, hints=ask.hints if can.hints else ())
    once, looped = _without_loops(sifted)
    return once, [*dropped, *looped]


def _without_loops(heard: TranscriptionResult) -> tuple[TranscriptionResult, list[dict[str, Any]]]:
    """The result with each loop said once, and an issue for each. `raw` keeps them."""
    said = [word.text for word in heard.words] or heard.text.split()
    spots = heard.word_places or places(heard.text, said)
    gone, issues = [], []
    for loop in loops(said):
        after = spots[loop.end][0] if loop.end < len(said) else len(heard.text)
        gone.append((spots[loop.start + loop.length][0], after))
        issue: dict[str, Any] = {"kind": "loop", "words": loop.length, "times": loop.times}
        if heard.words:
            issue["start"] = round(heard.words[loop.start].start, 2)
            issue["end"] = round(heard.words[loop.end - 1].end, 2)
        issues.append(issue)
    return heard.without(gone), issues


# -- the pieces joined ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Said:
    """A word near a cut: as it is compared, where it is in its text, the time of its middle."""

    key: str
    start: int
    end: int
    time: float | None


def _joined(first: _Piece, second: _Piece) -> _Piece:
    """Two neighbouring pieces as one."""
    before, after = first.heard, second.heard
    end, start = _seam(first, second)
    before = before.without([(end, len(before.text))] if end < len(before.text) else [])
    after = after.without([(0, start)] if start else [])
    if before.words:  # the two may differ a little about the time of the word they met at
        after = after.from_(before.words[-1].end)
    heard = replace(
        before,
        text=f"{before.text} {after.text}".strip(),
        segments=before.segments + after.segments,
        words=before.words + after.words,
        signs=(),
    )
    return _Piece(first.start, second.end, first.cut, heard, [])


def _seam(first: _Piece, second: _Piece) -> tuple[int, int]:
    """Up to which character the first piece counts, and from which on the second does.

    Where both have a word, the one nearest to the cut is where the second takes over; else the cut
    itself is, by the times of words. Without times only three words in a row count.
    """
    cut = second.cut
    before = [said for said in _said(first) if said.time is None or said.time > second.start]
    after = [said for said in _said(second) if said.time is None or said.time < first.end]
    if any(said.time is None for said in before + after):
        before, after = before[-UNTIMED:], after[:UNTIMED]
    met = min(
        _common(before, after), key=lambda pair: abs((pair[0].time or cut) - cut), default=None
    )
    if met is not None:
        return _next(first, met[0].end), _next(second, met[1].end)
    if not before or not after:  # what only one of them has at all stays
        return len(first.heard.text), 0
    late = [said.start for said in before if said.time is not None and said.time >= cut]
    early = [said.end for said in after if said.time is not None and said.time < cut]
    end = late[0] if late else len(first.heard.text)
    return end, _next(second, early[-1]) if early else 0


def _said(piece: _Piece) -> list[_Said]:
    heard = piece.heard
    timed: list[tuple[str, float | None]]
    if heard.words:
        timed = [(word.text, (word.start + word.end) / 2) for word in heard.words]
        spots = heard.word_places
    else:
        timed = [(word, None) for word in heard.text.split()]
        spots = places(heard.text, [word for word, _ in timed])
    return [
        _Said(word_key(word.strip(PUNCTUATION)), *place, time)
        for (word, time), place in zip(timed, spots, strict=True)
    ]


def _next(piece: _Piece, end: int) -> int:
    """Behind a word that ends at that character, and behind the punctuation that closes it."""
    text = piece.heard.text
    while end < len(text) and text[end] in PUNCTUATION:
        end += 1
    return end


def _common(before: list[_Said], after: list[_Said]) -> Iterator[tuple[_Said, _Said]]:
    """Words that both pieces have in a row of the same words, at about the same time."""
    left_keys, right_keys = ([said.key for said in side] for side in (before, after))
    matcher = SequenceMatcher(None, left_keys, right_keys, autojunk=False)
    for block in matcher.get_matching_blocks():
        for at in range(block.size):
            left, right = before[block.a + at], after[block.b + at]
            if left.time is None or right.time is None:
                if block.size >= IN_A_ROW and at == block.size // 2:
                    yield left, right
            elif abs(left.time - right.time) < AGREE:
                yield left, right


def _without_silence(
    heard: TranscriptionResult, silences: Sequence[tuple[float, float]]
) -> tuple[TranscriptionResult, list[dict[str, Any]]]:
    """Without the segments that lie wholly in a long silence."""
    gone, issues = [], []
    for segment, place in zip(heard.segments, heard.segment_places, strict=True):
        if any(start <= segment.start and segment.end <= end for start, end in silences):
            gone.append(place)
            issues.append(
                {
                    "kind": "dropped",
                    "reason": "silence",
                    "words": word_count(segment.text),
                    "start": round(segment.start, 2),
                    "end": round(segment.end, 2),
                }
            )
    return heard.without(gone), issues


# -- what not to trust ----------------------------------------------------------------------------


def _recording_issues(recording: "Recording") -> list[dict[str, Any]]:
    heard = recording.properties
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
    if heard.tracks > 1:
        issues.append({"kind": "tracks", "track": heard.track, "tracks": heard.tracks})
    return issues


def _language_issues(pieces: Sequence[_Piece], declared: str | None) -> Iterator[dict[str, Any]]:
    """One for each stretch in another language than was declared."""
    spoken = [piece for piece in pieces if piece.heard.text and piece.heard.language]
    for language, stretch in groupby(spoken, key=lambda piece: piece.heard.language):
        parts = list(stretch)
        if declared and language != declared:
            yield {
                "kind": "language",
                "declared": declared,
                "heard": language,
                "start": round(parts[0].cut, 2),
                "end": round(parts[-1].end, 2),
            }


def _main_language(pieces: Sequence[_Piece]) -> str | None:
    """The language in which most was said."""
    lengths: dict[str, int] = {}
    for piece in pieces:
        if piece.heard.language:
            lengths[piece.heard.language] = lengths.get(piece.heard.language, 0) + len(
                piece.heard.text
            )
    return max(lengths, key=lambda language: lengths[language], default=None)


def _knows(transcription: Transcription) -> str:
    known = transcription.capabilities.languages
    return f"; {transcription.model} understands only {', '.join(known)}" if known else ""
