"""A story made from a response: a title, a summary in one line, and the cleaned text.

The text is the speaker's own, cleaned by rule: hesitations and stutters go, paragraphs come, and
since nothing is ever put in, it cannot say what was not said. Only title and summary are a
model's: one with a name or number that was not mentioned is refused, and the beginning of the words
takes its place. From a weak model, a title is taken only if each of its words was said in some
form, and the summary is one of the sentences.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
)

from keepsake.database import AsyncConnection
from keepsake.errors import UnfitAnswer
from keepsake.family.response import Response
from keepsake.family.steps.prompts import RULES, too_short, words_prompt
from keepsake.family.steps.transcripts import Transcript
from keepsake.pipeline.line import Made, Nothing, Step
from keepsake.steps.prompts import condensed, nearest, one_of, whole_sentences
from keepsake.steps.rows import columns_of, replace_rows
from keepsake.steps.tools import Tools
from keepsake.text.caveats import gives_an_order, trusted
from keepsake.text.grounding import ungrounded
from keepsake.text.spans import (
    clean_speech,
    invented,
    opening,
    paragraphs,
    shortened,
    word_count,
)
from keepsake.text.word_forms import unsupported

SYSTEM = (
    "You give family memories a title and a summary. The title has two to seven words and names "
    "what the memory is about, with capitals as within a sentence. The summary is one plain "
    "sentence of at most thirty words. Every name and number is as it stands in the words. " + RULES
)

FEWEST_WORDS = 8  # of a response that is a story
LONGEST_TITLE = 10  # words
OPENING = 7  # words of the beginning that serve as a title
LONGEST_SUMMARY = 240  # characters


@dataclass(frozen=True)
class Said:
    """What a headline is held against: the words, and all else that the model was given."""

    known: str
    language: str | None

    def fault(self, text: str) -> str | None:
        """What is untrue in a title or summary, as far as comparing shows; None: nothing."""
        names = invented(text, self.known)
        strange = [name for name in names if unsupported(name, self.known, least=1)]
        if self.language == "de":  # every noun has a capital: none marks a name
            strange = [name for name in strange if name[0].isdigit()]
        if strange := list(dict.fromkeys([*strange, *ungrounded(text, [self.known])])):
            return f"these names or numbers are not in the words: {', '.join(strange)}"
        return "it gives an order" if gives_an_order(text) else None


class Headline(BaseModel):
    """The model's answer. Validated with what was said as context; without it, form only."""

    title: Annotated[str, Field(min_length=2, max_length=80)]
    summary: Annotated[str, Field(min_length=10, max_length=LONGEST_SUMMARY)]

    @field_validator("title", "summary")
    @classmethod
    def _one_line(cls, text: str) -> str:
        line = " ".join(text.strip(" \"'“”*#").split())
        if len(line) < 2:
            raise ValueError("nothing but ornaments")
        return line

    @field_validator("title")
    @classmethod
    def _title_length(cls, title: str) -> str:
        """A title that runs on ends at its first clause. It is cut nowhere else."""
        if word_count(title) > LONGEST_TITLE:
            title = re.split(r"[,;:]\s", title)[0]
        if word_count(title) > LONGEST_TITLE:
            raise ValueError(f"at most {LONGEST_TITLE} words, as within a sentence")
        return title.rstrip(" ,;:-")

    @field_validator("title", "summary")
    @classmethod
    def _nothing_invented(cls, text: str, info: ValidationInfo) -> str:
        if info.context is not None and (fault := info.context.fault(text)):
            raise ValueError(fault)
        return text


@lru_cache(maxsize=64)
def _weak_shape(choices: tuple[str, ...]) -> type[BaseModel]:
    """The shape of a weak model's answer: any title, which is checked, and a chosen sentence."""
    summary: Any = one_of(choices)
    title = Annotated[str, Field(min_length=2, max_length=80)]
    return create_model("Headline", title=(title, ...), summary=(summary, ...))


@dataclass(frozen=True)
class Story:
    """A story. `text` is in paragraphs, with a blank line between."""

    title: str
    summary: str
    text: str


async def write(response: Response, transcript: Transcript, tools: Tools) -> Story | Nothing:
    """Make the story of a response.

    Raises:
        PermanentError: the model refused.
    """
    if nothing := too_short(transcript, "a story", needs=FEWEST_WORDS):
        return Nothing(nothing)
    language = transcript.language

    async def sum_up(part: str) -> str:
        return (await _headline(response, part, language, tools)).summary

    clean = clean_speech(transcript.text, language)
    words = await condensed(trusted(clean), tools, sum_up=sum_up)
    headline = await _headline(response, words, language, tools)
    return Story(headline.title, headline.summary, _text(transcript))


async def as_edited(response: Response, transcript: Transcript, tools: Tools) -> Story | Nothing:
    """The story of a response, with the title and the text that people gave it, if they did.

    Raises:
        PermanentError: the model refused.
    """
    story = await _known(response, transcript, tools) or await write(response, transcript, tools)
    return _edited(story, response) if isinstance(story, Story) else story


async def _known(response: Response, transcript: Transcript, tools: Tools) -> Story | None:
    """The story as it was made, where nothing but a change by hand is new: no model is asked."""
    if response.edited_title is None and response.edited_story is None:
        return None
    async with tools.pool.connection() as connection:
        known = (await load(connection, [response.record_id])).get(response.record_id)
    if known is None or known.text != _text(transcript) or known == _edited(known, response):
        return None
    return known


def _edited(story: Story, response: Response) -> Story:
    title, text = response.edited_title, response.edited_story
    return replace(
        story,
        title=story.title if title is None else title,
        text=story.text if text is None else text,
    )


def _text(transcript: Transcript) -> str:
    return paragraphs(clean_speech(transcript.text, transcript.language))


async def _headline(response: Response, words: str, language: str | None, tools: Tools) -> Headline:
    known = f"{words} {response.member} {response.family} {response.question or ''}"
    said = Said(known, language)
    if tools.models.chat.enforces_schema:
        return await _weak_headline(response, words, said, tools)
    try:
        return await tools.models.chat.ask(
            Headline,
            system=SYSTEM,
            user=words_prompt(response, words, language),
            max_tokens=200,
            context=said,
        )
    except UnfitAnswer:
        return _verbatim(words)


async def _weak_headline(response: Response, words: str, said: Said, tools: Tools) -> Headline:
    """A weak model's headline: one of the sentences, and its title if nothing in it is new."""
    verbatim = _verbatim(words)
    choices = await nearest(
        [each for each in whole_sentences(words) if len(each) <= LONGEST_SUMMARY], words, tools
    )
    if not choices:
        return verbatim
    answer: Any = await tools.models.chat.ask(
        _weak_shape(tuple(choices)),
        system=SYSTEM,
        user=words_prompt(response, words, said.language),
        max_tokens=200,
    )
    try:
        title = Headline(title=answer.title, summary=answer.summary).title
    except ValidationError:
        title = ""
    # The speaker is no title: with `Rose said` a model repeats the prompt.
    good = title and not said.fault(title) and not unsupported(title, words)
    return Headline.model_construct(title=title if good else verbatim.title, summary=answer.summary)


def _verbatim(words: str) -> Headline:
    """The words' own beginning as title and summary: always true."""
    title, summary = opening(words, words=OPENING), opening(words, words=30)
    return Headline.model_construct(
        title=shortened(title, 80), summary=shortened(summary, LONGEST_SUMMARY)
    )


async def save(connection: AsyncConnection, made: Sequence[Made[Story | Nothing]]) -> None:
    """Store stories."""
    await replace_rows(
        connection,
        "stories",
        made,
        columns_of(Story),
        lambda story: [astuple(story)] if isinstance(story, Story) else [],
    )


async def load(connection: AsyncConnection, ids: Sequence[int]) -> Mapping[int, Story]:
    """Read stored stories."""
    cursor = await connection.execute(
        "SELECT record_id, title, summary, text FROM stories WHERE record_id = ANY(%s)",
        (list(ids),),
    )
    return {record_id: Story(*rest) async for record_id, *rest in cursor}


STORIES = Step(
    name="stories",
    version="2",
    needs=("transcripts",),
    roles=("chat",),
    make=as_edited,
    save=save,
    load=load,
)
