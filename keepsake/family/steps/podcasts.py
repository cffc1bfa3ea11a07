"""A podcast episode of a story: a spoken introduction, the original recording, a closing.

A written response is narrated instead. Introduction and closing are in the language of the story;
where there are no phrases for it, or the voice does not speak it, they are left out, and a written
story has no episode. Spoken pieces are stored by their content, so none is paid
for twice. The parts are brought to one loudness, near -16 LUFS, and the finished episode is
measured, length and sound, before it counts as done. Beside the mp3 are its transcript (WebVTT)
and its chapters.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keepsake.audio.captions import Cue, chapters_json, vtt
from keepsake.concurrency import together
from keepsake.database import AsyncConnection, Connection
from keepsake.errors import RetryableError
from keepsake.family.response import Response
from keepsake.family.steps.introductions import INTRODUCTIONS
from keepsake.family.steps.stories import Story
from keepsake.family.steps.transcripts import Transcript
from keepsake.pipeline.fingerprint import fingerprint
from keepsake.pipeline.line import Made, Nothing, Step
from keepsake.pipeline.window import Window
from keepsake.records.deletion import note_replaced
from keepsake.steps.checks import Finding
from keepsake.steps.rows import columns_of, replace_rows
from keepsake.steps.tools import Tools
from keepsake.text.language import language_name, language_of
from keepsake.text.spans import chunks, sentences

if TYPE_CHECKING:
    from keepsake.audio.episode import Episode

LOUDNESS = -16.0  # LUFS, what podcast platforms ask for
LOUDNESS_TOLERANCE = 1.5
SPOKEN_WORDS = 220  # of one spoken piece: about 90 seconds
PAUSE = 0.7  # seconds between parts


@dataclass(frozen=True)
class Podcast:
    """A finished episode: where its files are, seconds, LUFS, bytes, its spoken pieces.

    `introduced_in` is the language of introduction and closing; None: nothing is said around it.
    """

    audio_key: str
    vtt_key: str
    chapters_key: str
    duration: float
    loudness: float
    size_bytes: int
    speech_keys: tuple[str, ...]
    introduced_in: str | None


@dataclass(frozen=True)
class Narrator:
    """What is said around a story. Without phrases in its language, nothing is."""

    language: str
    opening: str = ""
    closing: str = ""
    chapters: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class _Voice:
    """One file of the episode and what is said in it: (text, start, end) within the file."""

    path: Path
    speaker: str
    said: tuple[tuple[str, float, float], ...]
    chapter: str | None = None
    key: str | None = None  # its object, of what was spoken by a model


async def produce(
    response: Response, transcript: Transcript, story: Story | None, tools: Tools
) -> Podcast | Nothing:
    """Make the episode of a story and store its files.

    Raises:
        PermanentError: a part is silent or no audio, or the finished episode is not what it
            should be.
    """
    if story is None:
        return Nothing("there is no story to tell")
    narrator = await asyncio.to_thread(_narrator, response, transcript, story)
    if response.audio_key is None and not tools.models.speech.speaks(narrator.language):
        return Nothing(_cannot_read(narrator.language, tools))
    async with tools.recordings, tools.folder() as folder:
        voices = await _voices(response, transcript, story, narrator, folder, tools)
        mp3 = folder / "episode.mp3"
        async with tools.audio:
            episode = await asyncio.to_thread(
                _assemble, voices, response, story, narrator.language, mp3
            )
        name = fingerprint(story, response.audio_key, tools.models.speech.model)
        base = f"family/{response.owner_id}/episodes/{response.record_id}-{name[:12]}"
        podcast = Podcast(
            audio_key=f"{base}.mp3",
            vtt_key=f"{base}.vtt",
            chapters_key=f"{base}.chapters.json",
            duration=round(episode.duration, 3),
            loudness=round(episode.loudness, 2),
            size_bytes=episode.size_bytes,
            speech_keys=tuple(dict.fromkeys(voice.key for voice in voices if voice.key)),
            introduced_in=narrator.language if voices[0].chapter in narrator.chapters else None,
        )
        put = tools.objects
        await put.put_file(podcast.audio_key, mp3, "audio/mpeg")
        captions = vtt(_cues(voices, episode))
        await put.put_bytes(podcast.vtt_key, captions.encode(), "text/vtt")
        chapters = chapters_json(episode.chapters)
        await put.put_bytes(podcast.chapters_key, chapters.encode(), "application/json+chapters")
    return podcast


def _narrator(response: Response, transcript: Transcript, story: Story) -> Narrator:
    """Who speaks around a story, and what, in the story's language.

    Where the language is unknown, the family's is assumed.
    """
    language = transcript.language or response.language
    phrases = INTRODUCTIONS.get(language)
    if phrases is None:
        return Narrator(language)
    names = {
        "title": story.title.rstrip(" .…!,;:"),
        "member": response.member,
        "family": response.family,
        "day": phrases.day(response.recorded_at.date()),
        "question": response.question,
    }
    opening = phrases.opening.format(**names)
    # A question that was asked in another language would be read out wrongly.
    if response.question and language_of(response.question) in (None, language):
        opening += " " + phrases.question.format(**names)
    return Narrator(language, opening, phrases.closing.format(**names), phrases.chapters)


async def _voices(
    response: Response,
    transcript: Transcript,
    story: Story,
    narrator: Narrator,
    folder: Path,
    tools: Tools,
) -> list[_Voice]:
    """The files of the episode, in order."""

    async def around(text: str, chapter: str) -> _Voice:
        return await _spoken(text, narrator.language, folder, tools, chapter=chapter)

    if response.audio_key is not None:
        middle = [await _original(response, transcript, story, folder, tools)]
    else:
        middle = await _narrated(story, narrator.language, folder, tools)
    if not narrator.opening or not tools.models.speech.speaks(narrator.language):
        return middle
    before, after = narrator.chapters
    return [
        await around(narrator.opening, before),
        *middle,
        await around(narrator.closing, after),
    ]


async def _original(
    response: Response, transcript: Transcript, story: Story, folder: Path, tools: Tools
) -> _Voice:
    assert response.audio_key is not None  # noqa: S101  # the caller looked
    path = folder / f"original{Path(response.audio_key).suffix}"
    await tools.objects.get_file(response.audio_key, path)
    spoken = transcript.spoken
    said = []
    for span in spoken.sentences:
        time = spoken.time(span)
        if time is not None:
            said.append((transcript.text[span.start : span.end], time.start, time.end))
    if not said:  # no word times: the segments have times of their own
        said = [(s.text, s.start, s.end) for s in transcript.segments]
    return _Voice(path, response.member, tuple(said), story.title)


async def _narrated(story: Story, language: str, folder: Path, tools: Tools) -> list[_Voice]:
    pieces = [story.text[s.start : s.end] for s in chunks(story.text, words=SPOKEN_WORDS)]
    voices = await together(_spoken(text, language, folder, tools) for text in pieces)
    first = voices[0]
    return [replace(first, chapter=story.title), *voices[1:]]


async def _spoken(
    text: str, language: str, folder: Path, tools: Tools, *, chapter: str | None = None
) -> _Voice:
    """A text as speech. What was spoken before with this model and voice is not spoken again."""
    from keepsake.audio.loudness import measure
    from keepsake.audio.media import probe

    speech = tools.models.speech
    other = () if language == "en" else (language,)  # English was first, and needs no new name
    name = fingerprint(speech.model, speech.voice, text, *other)
    key = f"speech/{name}.wav"
    path = folder / f"{name}.wav"
    if await tools.objects.exists(key):
        await tools.objects.get_file(key, path)
    else:
        path.write_bytes(await speech.say(text, language=language))
        if (await asyncio.to_thread(measure, path)).silent:  # and is not stored as speech
            raise RetryableError("the speech endpoint gave silence: try again, or another voice")
        await tools.objects.put_file(key, path, "audio/wav")
    duration = (await asyncio.to_thread(probe, path)).duration or 0.0
    return _Voice(path, "Narrator", tuple(_spread(text, duration)), chapter, key)


def _spread(text: str, duration: float) -> Iterator[tuple[str, float, float]]:
    """The sentences of a spoken text over its length, each by its share of the characters."""
    at = 0.0
    spans = sentences(text)
    total = sum(span.end - span.start for span in spans) or 1
    for span in spans:
        length = duration * (span.end - span.start) / total
        yield text[span.start : span.end], at, at + length
        at += length


def _cannot_read(language: str, tools: Tools) -> str:
    spoken = " and ".join(
        language_name(code) for code in sorted(tools.models.speech.languages or ())
    )
    return (
        f"the story is written in {language_name(language)}, and the embedded voice speaks "
        f"{spoken} only: set SPEECH_BASE_URL and SPEECH_MODEL to one that speaks it"
    )


def _assemble(
    voices: Sequence[_Voice], response: Response, story: Story, language: str, out: Path
) -> "Episode":
    from keepsake.audio.cover import cover
    from keepsake.audio.episode import Part, assemble
    from keepsake.audio.id3 import EpisodeTags, three_letters

    tags = EpisodeTags(
        title=story.title,
        artist=response.member,
        album=f"{response.family} family stories",
        published=response.recorded_at.date(),
        description=story.summary,
        language=three_letters(language),
        cover=cover(response.family),
    )
    last = len(voices) - 1
    parts = [
        Part(voice.path, voice.chapter, 0.0 if at == last else PAUSE)
        for at, voice in enumerate(voices)
    ]
    return assemble(parts, out, tags=tags, loudness=LOUDNESS)


def _cues(voices: Sequence[_Voice], episode: "Episode") -> Iterator[Cue]:
    """What is said, on the clock of the episode."""
    for voice, (start, end) in zip(voices, episode.spans, strict=True):
        for text, said_from, said_to in voice.said:
            if start + said_from < end:
                yield Cue(start + said_from, min(start + said_to, end), text, voice.speaker)


async def save(connection: AsyncConnection, made: Sequence[Made[Podcast | Nothing]]) -> None:
    """Store where the episodes are."""
    still = [
        key
        for _, _, p in made
        if isinstance(p, Podcast)
        for key in (p.audio_key, p.vtt_key, p.chapters_key, *p.speech_keys)
    ]
    await note_replaced(connection, "podcasts", made, still)
    await replace_rows(
        connection,
        "podcasts",
        made,
        columns_of(Podcast),
        lambda p: [_columns(p)] if isinstance(p, Podcast) else [],
    )


def _columns(podcast: Podcast) -> list[Any]:
    """The values of a row; a tuple would be stored as a record, a list is an array."""
    return [list(value) if isinstance(value, tuple) else value for value in astuple(podcast)]


def episodes_audible(connection: Connection, window: Window) -> Finding:
    """Whether every episode is long enough to hold something and as loud as it should be.

    Length, loudness and sound were measured on the finished file when it was made.
    """
    rows = connection.execute(
        """
        SELECT p.record_id, p.duration > 1 AND p.size_bytes > 1000
               AND abs(p.loudness - %s) <= %s
        FROM podcasts p JOIN records r ON r.id = p.record_id
        WHERE r.line = %s AND r.recorded_at >= %s AND r.recorded_at < %s
        """,
        (LOUDNESS, LOUDNESS_TOLERANCE, window.line, window.start, window.end),
    ).fetchall()
    return Finding(
        checked=len(rows),
        bad=[record_id for record_id, good in rows if not good],
        fault="Episodes are silent or far from -16 LUFS: listen to them.",
    )


PODCASTS = Step(
    name="podcasts",
    version="2",
    needs=("transcripts", "stories"),
    roles=("speech",),
    make=produce,
    save=save,
)
