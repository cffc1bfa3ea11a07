"""Advice found in a response: what it is, who may use it, in which part of life.

Each piece rests on words that the speaker said. A piece whose supporting words are not in the
transcript, are too few, or say nothing of what the advice says, is refused and counted. Most
responses hold no advice, and have none. A weak model is not asked: in its place, the sentence is
taken that advises by its form (`keepsake/family/steps/advice.py`), which is known in English only.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from keepsake.database import AsyncConnection
from keepsake.family.response import Response
from keepsake.family.steps.advice import advises
from keepsake.family.steps.prompts import RULES, portions, too_short, words_prompt
from keepsake.family.steps.transcripts import Transcript
from keepsake.pipeline.line import Made, Step
from keepsake.steps.prompts import nearest, whole_sentences
from keepsake.steps.refusals import save_refusals
from keepsake.steps.rows import columns_of, replace_rows
from keepsake.steps.tools import Tools
from keepsake.text.caveats import gives_an_order
from keepsake.text.grounding import ungrounded
from keepsake.text.language import language_name
from keepsake.text.spans import Span, invented, word_count
from keepsake.text.word_forms import shares_a_word

MOST = 5
FEWEST_WORDS = 5  # of a response that can hold advice
LIFE_AREAS = (
    "family", "love", "friendship", "work", "money", "health", "learning", "faith", "character",
    "everyday life",
)  # fmt: skip
LifeArea = Literal[LIFE_AREAS]  # type: ignore[valid-type]
AUDIENCES = (
    "everyone", "children", "young people", "parents", "grandparents", "couples", "friends",
    "people at work", "people who are ill", "people who grieve",
)  # fmt: skip
Audience = Literal[AUDIENCES]  # type: ignore[valid-type]

SYSTEM = (
    "You find the advice in family memories: what the speaker tells a listener to do or to leave. "
    "Most memories hold none: a fact, a plan, a joke, irony or a feeling is no advice. For each "
    "piece of advice give the speaker's own words that give it, copied exactly; the advice in one "
    "short sentence that says no more than they do; the part of life it belongs to; and who may "
    "use it. Words that hold no advice give an empty list. " + RULES
)
SOUGHT = "advice: do not do this, you should always do that, remember it when you need it"
FEWEST_SUPPORTING = 4  # words that advice rests on


@dataclass(frozen=True)
class Advice:
    """One piece of wisdom. Times are seconds into the recording."""

    advice: str
    audience: str
    life_area: str
    support: str
    starts_at: float | None
    ends_at: float | None


@dataclass(frozen=True)
class Wisdom:
    """The advice in a response, and how many pieces the model offered."""

    advice: tuple[Advice, ...]
    offered: int
    refused: int
    nothing: str | None = None  # why there is none


class Piece(BaseModel):
    """One piece of advice, as a model offers it."""

    support: str
    advice: Annotated[str, Field(min_length=5, max_length=240)]
    life_area: LifeArea
    audience: Audience


_ANSWER = create_model("Wisdom", wisdom=(Annotated[list[Piece], Field(max_length=3)], ...))


async def find(response: Response, transcript: Transcript, tools: Tools) -> Wisdom:
    """Find the advice in a response.

    Raises:
        PermanentError: the model's answer did not fit after one repair.
    """
    if nothing := too_short(transcript, "advice", needs=FEWEST_WORDS):
        return Wisdom((), 0, 0, nothing)
    kept: dict[Span, Advice] = {}
    offered = refused = 0
    for words in portions(transcript, tools):
        for piece in await _offers(response, words, transcript, tools):
            offered += 1
            span = transcript.spoken.find(piece.support)
            if span is None or not _rests_on(piece.advice, span, transcript):
                refused += 1
            else:
                kept.setdefault(span, _advice(piece, span, transcript))
    found = tuple(list(kept.values())[:MOST])
    return Wisdom(found, offered, refused, None if found else _none(offered, transcript))


async def _offers(
    response: Response, words: str, transcript: Transcript, tools: Tools
) -> Sequence[Piece]:
    """What the model offers as advice; in place of a weak one, the sentence that advises most.

    A weak model would name any audience: that sentence is for everyone, and its part of life is the
    one nearest in meaning.
    """
    chat = tools.models.chat
    if not chat.enforces_schema:
        user = words_prompt(response, words, transcript.language)
        answer: Any = await chat.ask(_ANSWER, system=SYSTEM, user=user, max_tokens=500)
        return list(answer.wisdom)
    advising = [each for each in whole_sentences(words, least=FEWEST_SUPPORTING) if advises(each)]
    return [
        Piece(
            support=sentence,
            advice=sentence,
            life_area=(await nearest(LIFE_AREAS, f"{sentence} {words}", tools))[0],
            audience="everyone",
        )
        for sentence in (await nearest(advising, SOUGHT, tools))[:1]
    ]


def _rests_on(advice: str, span: Span, transcript: Transcript) -> bool:
    """Whether advice says no name or number that its support lacks, and shares a word with it.

    The sentences of the support, and the one before them, count as support. It finds what
    comparing can find: advice that turns its support round is not found.
    """
    text = transcript.text
    if word_count(text[span.start : span.end]) < FEWEST_SUPPORTING:
        return False
    near = [s for s in transcript.spoken.sentences if s.end > span.start and s.start < span.end]
    at = transcript.spoken.sentences.index(near[0]) if near else 0
    before = transcript.spoken.sentences[max(0, at - 1)]
    support = text[min(before.start, span.start) : max(s.end for s in (*near, span))]
    names = [] if transcript.language == "de" else invented(advice, support)
    if names or ungrounded(advice, [support]) or gives_an_order(advice):
        return False
    return shares_a_word(advice, support)


def _none(offered: int, transcript: Transcript) -> str:
    if offered:
        return f"none of {offered} pieces of advice offered rests on the words"
    return "no sentence gives advice" + (
        f", as far as can be told in {language_name(transcript.language)}"
        if transcript.language not in (None, "en")
        else ""
    )


def _advice(piece: Piece, span: Span, transcript: Transcript) -> Advice:
    time = transcript.spoken.time(span)
    return Advice(
        advice=" ".join(piece.advice.split()),
        audience=piece.audience,
        life_area=piece.life_area,
        support=transcript.text[span.start : span.end],
        starts_at=time.start if time else None,
        ends_at=time.end if time else None,
    )


async def save(connection: AsyncConnection, made: Sequence[Made[Wisdom]]) -> None:
    """Store wisdom."""
    await replace_rows(
        connection,
        "wisdom",
        made,
        ("position", *columns_of(Advice)),
        lambda r: [(position, *astuple(advice)) for position, advice in enumerate(r.advice)],
    )
    await save_refusals(connection, "wisdom", made)


WISDOM = Step(
    name="wisdom",
    version="2",
    needs=("transcripts",),
    roles=("chat",),
    make=find,
    save=save,
    nothing=lambda wisdom: wisdom.nothing,
)
