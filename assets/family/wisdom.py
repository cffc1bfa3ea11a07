"""Advice found in a response: what it is, who may use it, in which part of life.

Each piece rests on words that the speaker said. A piece whose supporting words are not in the
transcript is refused and counted.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from assets.family.prompts import RULES, portions, told, too_short
from assets.family.refusals import save_refusals
from assets.family.transcripts import Transcript
from assets.line_assets import StepAsset
from assets.prompts import sentence_type
from keepsake.database import AsyncConnection, replace_rows
from keepsake.family import Response
from keepsake.line import Step
from keepsake.text import Span
from resources.tools import Tools

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
    "You find the advice in family memories: what a listener could do or think differently. For "
    "each piece of advice give the speaker's own words that it rests on, copied exactly; the "
    "advice in one short sentence; the part of life it belongs to; and who may use it. Words that "
    "hold no advice give an empty list. " + RULES
)
SOUGHT = "advice: do not do this, you should always do that, remember it when you need it"


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


@lru_cache(maxsize=64)
def _answer_shape(sentence: Any) -> type[BaseModel]:
    """The shape of the answer; where sentences are given, the advice is one of them, as said.

    A weak model, which needs them, fills whatever list it is given: so it gets a short one.
    """
    own_words = Annotated[str, Field(min_length=5, max_length=240)]
    piece: Any = create_model(
        "Advice",
        support=(sentence, ...),
        advice=(own_words if sentence is str else sentence, ...),
        life_area=(LifeArea, ...),
        audience=(Audience, ...),
    )
    return create_model(
        "Wisdom", wisdom=(list[piece], Field(max_length=3 if sentence is str else 1))
    )


async def find(response: Response, transcript: Transcript, tools: Tools) -> Wisdom:
    """Find the advice in a response.

    Raises:
        PermanentError: the model's answer did not fit after one repair.
    """
    if nothing := too_short(transcript, "advice", needs=FEWEST_WORDS):
        return Wisdom((), 0, 0, nothing)
    kept: dict[Span, Advice] = {}
    offered = refused = 0
    for portion in portions(transcript, tools):
        words = transcript.text[portion.start : portion.end]
        shape = _answer_shape(await sentence_type(words, SOUGHT, tools))
        answer = await tools.models.chat.ask(
            shape, system=SYSTEM, user=told(response, words), max_tokens=500
        )
        for piece in answer.wisdom:  # type: ignore[attr-defined]
            offered += 1
            span = transcript.spoken.find(piece.support)
            if span is None:
                refused += 1
            else:
                kept.setdefault(span, _advice(piece, span, transcript))
    return Wisdom(tuple(list(kept.values())[:MOST]), offered, refused, _nothing(kept, offered))


def _nothing(kept: Collection[Span], offered: int) -> str | None:
    if kept:
        return None
    if not offered:
        return "the words hold no advice"
    return f"none of {offered} pieces of advice offered rests on the words"


def _advice(piece: BaseModel, span: Span, transcript: Transcript) -> Advice:
    time = transcript.spoken.time(span)
    fields = piece.model_dump()
    return Advice(
        advice=" ".join(fields["advice"].split()),
        audience=fields["audience"],
        life_area=fields["life_area"],
        support=transcript.text[span.start : span.end],
        starts_at=time.start if time else None,
        ends_at=time.end if time else None,
    )


async def save(connection: AsyncConnection, results: Sequence[tuple[int, Wisdom]]) -> None:
    """Store wisdom."""
    await replace_rows(
        connection,
        "wisdom",
        [record_id for record_id, _ in results],
        ("record_id", "position", "advice", "audience", "life_area", "support", "starts_at",
         "ends_at"),
        [
            (record_id, position, a.advice, a.audience, a.life_area, a.support, a.starts_at,
             a.ends_at)
            for record_id, r in results
            for position, a in enumerate(r.advice)
        ],
    )  # fmt: skip
    await save_refusals(
        connection, "wisdom", [(record_id, r.offered, r.refused) for record_id, r in results]
    )


WISDOM = StepAsset(
    Step(
        name="wisdom",
        version="1",
        needs=("transcripts",),
        roles=("chat",),
        make=find,
        save=save,
        nothing=lambda wisdom: wisdom.nothing,
    ),
    description=__doc__ or "",
    columns=[
        ("record_id", "bigint", "the response"),
        ("position", "integer", "order in the response, from 0"),
        ("advice", "text", "the advice in one sentence"),
        ("audience", "text", "who may use it"),
        ("life_area", "text", "the part of life it belongs to"),
        ("support", "text", "the speaker's own words that it rests on"),
        ("starts_at", "real", "when they are said, in seconds"),
        ("ends_at", "real", "in seconds"),
    ],
)
