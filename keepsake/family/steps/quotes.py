"""Quotes worth keeping, word for word, with the time they are said and the speaker's own voice.

A model points at them; each is looked up in the transcript, and the words there are the quote.
What cannot be found word for word, case and punctuation aside, was not said: it is dropped and
counted. From a recording, the words are cut out as a clip.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from pathlib import Path
from textwrap import shorten
from typing import Any

from pydantic import BaseModel, Field, create_model

from keepsake.database import AsyncConnection, Connection
from keepsake.errors import PermanentError
from keepsake.family.response import Response
from keepsake.family.steps.prompts import RULES, portions, too_short, words_prompt
from keepsake.family.steps.transcripts import Transcript
from keepsake.pipeline.fingerprint import fingerprint
from keepsake.pipeline.line import Made, Step
from keepsake.pipeline.window import Window
from keepsake.records.deletion import note_replaced
from keepsake.steps.checks import Finding
from keepsake.steps.prompts import nearest, one_of, whole_sentences
from keepsake.steps.refusals import save_refusals
from keepsake.steps.rows import columns_of, replace_rows
from keepsake.steps.tools import Tools
from keepsake.text.spans import Span, Spoken, word_count

MOST = 3
FEWEST_WORDS, MOST_WORDS = 4, 60
LONGEST_CLIP = 60.0  # seconds

SYSTEM = (
    "You find what is most worth remembering word for word in family memories: up to three "
    "sentences that move, teach or could be nobody else's. Copy them exactly as they were said, "
    "the best first. Leave out what the speaker takes back. Words that hold none give an empty "
    "list. " + RULES
)
SOUGHT = "a wise saying about life, worth remembering for ever"


@dataclass(frozen=True)
class Quote:
    """Words as they were said. Times are seconds into the recording, `clip_key` its object."""

    text: str
    starts_at: float | None
    ends_at: float | None
    clip_key: str | None = None


@dataclass(frozen=True)
class Quotes:
    """The quotes of a response, the best first, and how many the model offered."""

    quotes: tuple[Quote, ...]
    offered: int
    refused: int
    nothing: str | None = None  # why there are none


@lru_cache(maxsize=64)
def _answer_shape(choices: tuple[str, ...]) -> type[BaseModel]:
    """The shape of the answer: of the choices, if there are any."""
    sentence: Any = one_of(choices) if choices else str
    least = 1 if choices else 0
    return create_model("Quotes", quotes=(list[sentence], Field(min_length=least, max_length=MOST)))


async def find(response: Response, transcript: Transcript, tools: Tools) -> Quotes:
    """Find the quotes of a response, and cut them out of its recording.

    Raises:
        PermanentError: the model's answer did not fit after one repair.
    """
    if nothing := too_short(transcript, "a quote", needs=FEWEST_WORDS):
        return Quotes((), 0, 0, nothing)
    found: dict[Span, None] = {}
    offered = refused = 0
    weak = tools.models.chat.enforces_schema
    for words in portions(transcript, tools):
        choices = await nearest(whole_sentences(words), SOUGHT, tools) if weak else ()
        if weak and not choices:
            continue  # it would write freely
        answer = await tools.models.chat.ask(
            _answer_shape(tuple(choices)),
            system=SYSTEM,
            user=words_prompt(response, words, transcript.language),
            max_tokens=400,
        )
        named: list[str] = answer.quotes  # type: ignore[attr-defined]
        for quote in named:
            offered += 1
            span = transcript.spoken.find(quote)
            if span is None or not FEWEST_WORDS <= word_count(quote) <= MOST_WORDS:
                refused += 1
            elif not any(_overlap(span, other) for other in found):
                found[span] = None
    quotes = [_quote(span, transcript) for span in list(found)[:MOST]]
    nothing = None if quotes else _none(offered)
    return Quotes(tuple(await _with_clips(quotes, response, tools)), offered, refused, nothing)


def _none(offered: int) -> str:
    if offered:
        return f"none of {offered} quotes offered is in the words"
    return "no sentence that can stand for itself"


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def _quote(span: Span, transcript: Transcript) -> Quote:
    time = transcript.spoken.time(span)
    text = transcript.text[span.start : span.end]
    return Quote(text, time.start if time else None, time.end if time else None)


async def _with_clips(quotes: list[Quote], response: Response, tools: Tools) -> list[Quote]:
    """The quotes, each with its clip if there is a recording and its times are known."""
    if response.audio_key is None or not any(quote.starts_at is not None for quote in quotes):
        return quotes
    async with tools.recordings, tools.fetched(response.audio_key) as recording:
        return [await _with_clip(quote, recording, response, tools) for quote in quotes]


async def _with_clip(quote: Quote, recording: Path, response: Response, tools: Tools) -> Quote:
    """A quote with its clip, whose key is a hash of what is in it: the same clip is cut once."""
    from keepsake.audio.clip import cut
    from keepsake.audio.cover import cover
    from keepsake.audio.id3 import EpisodeTags, three_letters

    start, end = quote.starts_at, quote.ends_at
    if start is None or end is None or not 0 < end - start <= LONGEST_CLIP:
        return quote
    tags = EpisodeTags(
        title=shorten(quote.text, 80, placeholder="…"),
        artist=response.member,
        album=f"{response.family} family stories",
        published=response.recorded_at.date(),
        language=three_letters(response.language),
        genre="Speech",
        cover=cover(response.family),
    )
    name = fingerprint(response.audio_key, start, end, tags)
    key = f"family/{response.owner_id}/clips/{name}.mp3"
    if not await tools.objects.exists(key):
        clip = recording.with_name(f"{name}.mp3")
        try:
            async with tools.audio:
                await asyncio.to_thread(cut, recording, start, end, clip, tags=tags)
        except PermanentError:
            return quote  # times that point at silence: the words stay, without a voice
        await tools.objects.put_file(key, clip, "audio/mpeg")
    return replace(quote, clip_key=key)


async def save(connection: AsyncConnection, made: Sequence[Made[Quotes]]) -> None:
    """Store quotes."""
    still = [quote.clip_key for each in made for quote in each.result.quotes if quote.clip_key]
    await note_replaced(connection, "quotes", made, still)
    await replace_rows(
        connection,
        "quotes",
        made,
        ("position", *columns_of(Quote)),
        lambda r: [(position, *astuple(quote)) for position, quote in enumerate(r.quotes)],
    )
    await save_refusals(connection, "quotes", made)


def quotes_verbatim(connection: Connection, window: Window) -> Finding:
    """Whether every stored quote is in its transcript, word for word."""
    rows = connection.execute(
        """
        SELECT q.record_id, q.text, t.text
        FROM quotes q JOIN records r ON r.id = q.record_id
        LEFT JOIN transcripts t ON t.record_id = q.record_id
        WHERE r.line = %s AND r.recorded_at >= %s AND r.recorded_at < %s
        ORDER BY q.record_id
        """,
        (window.line, window.start, window.end),
    ).fetchall()
    bad = [record_id for record_id, quote, said in rows if not Spoken(said or "").find(quote)]
    return Finding(
        checked=len(rows),
        bad=bad,
        fault="Quotes are not in their transcripts. What a newer transcript no longer says is "
        "dropped when they are made again.",
    )


QUOTES = Step(
    name="quotes",
    version="2",
    needs=("transcripts",),
    roles=("chat",),
    make=find,
    save=save,
    nothing=lambda quotes: quotes.nothing,
)
