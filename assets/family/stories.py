"""A story made from a response: a title, a summary in one line, and the cleaned text.

The text is the speaker's own, cleaned by rule: hesitations and stutters go, paragraphs come, and
since nothing is ever put in, it cannot say what was not said. Only title and summary are a
model's; a summary with a name or number that nobody mentioned is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationInfo, create_model, field_validator

from assets.family.prompts import RULES, told, too_short
from assets.family.transcripts import Transcript
from assets.line_assets import StepAsset
from assets.prompts import condensed, sentence_type
from keepsake.database import AsyncConnection, replace_rows
from keepsake.family import Response
from keepsake.line import Nothing, Step
from keepsake.text import clean_speech, invented, paragraphs, word_count
from resources.tools import Tools

SYSTEM = (
    "You give family memories a title and a summary. The title has two to seven words and names "
    "what the memory is about. The summary is one plain sentence of at most thirty words. " + RULES
)

FEWEST_WORDS = 8  # of a response that is a story
LONGEST_TITLE = 10  # words


class Headline(BaseModel):
    """The model's answer. Validated with what was said as context."""

    title: Annotated[str, Field(min_length=2, max_length=80)]
    summary: Annotated[str, Field(min_length=10, max_length=240)]

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
        """A title that runs on ends at its first clause, and after ten words."""
        if word_count(title) > LONGEST_TITLE:
            title = title.split(",")[0]
        return " ".join(title.split()[:LONGEST_TITLE]).rstrip(" ,;:-")

    @field_validator("summary")
    @classmethod
    def _nothing_invented(cls, summary: str, info: ValidationInfo) -> str:
        if names := invented(summary, str(info.context)):
            raise ValueError(f"these names or numbers are not in the words: {', '.join(names)}")
        return summary


@lru_cache(maxsize=64)
def _answer_shape(sentence: Any) -> type[Headline]:
    """The shape of the answer; where sentences are given, the summary is one of them."""
    if sentence is str:
        return Headline
    return create_model("Headline", __base__=Headline, summary=(sentence, ...))


@dataclass(frozen=True)
class Story:
    """A story. `text` is in paragraphs, with a blank line between."""

    title: str
    summary: str
    text: str


async def write(response: Response, transcript: Transcript, tools: Tools) -> Story | Nothing:
    """Make the story of a response.

    Raises:
        PermanentError: the model's answer did not fit after one repair.
    """

    async def sum_up(words: str) -> str:
        return (await _headline(response, words, tools)).summary

    if nothing := too_short(transcript, "a story", needs=FEWEST_WORDS):
        return Nothing(nothing)
    words = await condensed(transcript.text, tools, sum_up=sum_up)
    headline = await _headline(response, words, tools)
    return Story(headline.title, headline.summary, _text(transcript))


async def titled(response: Response, transcript: Transcript, tools: Tools) -> Story | Nothing:
    """The story of a response, under the title that people gave it, if they did.

    Where nothing but the title has changed, the model is not asked again.

    Raises:
        PermanentError: the model's answer did not fit after one repair.
    """
    title = response.edited_title
    if title is None:
        return await write(response, transcript, tools)
    async with tools.pool.connection() as connection:
        known = (await load(connection, [response.record_id])).get(response.record_id)
    if known and known.title != title and known.text == _text(transcript):
        return replace(known, title=title)
    story = await write(response, transcript, tools)
    return replace(story, title=title) if isinstance(story, Story) else story


def _text(transcript: Transcript) -> str:
    return paragraphs(clean_speech(transcript.text, transcript.language))


async def _headline(response: Response, words: str, tools: Tools) -> Headline:
    known = f"{words} {response.member} {response.family} {response.question or ''}"
    return await tools.models.chat.ask(
        _answer_shape(await sentence_type(words, words, tools)),
        system=SYSTEM,
        user=told(response, words),
        max_tokens=200,
        context=known,
    )


async def save(connection: AsyncConnection, results: Sequence[tuple[int, Story | Nothing]]) -> None:
    """Store stories."""
    await replace_rows(
        connection,
        "stories",
        [record_id for record_id, _ in results],
        ("record_id", "title", "summary", "text"),
        [
            (record_id, s.title, s.summary, s.text)
            for record_id, s in results
            if isinstance(s, Story)
        ],
    )


async def load(connection: AsyncConnection, ids: Sequence[int]) -> Mapping[int, Story]:
    """Read stored stories."""
    cursor = await connection.execute(
        "SELECT record_id, title, summary, text FROM stories WHERE record_id = ANY(%s)",
        (list(ids),),
    )
    return {record_id: Story(*rest) async for record_id, *rest in cursor}


STORIES = StepAsset(
    Step(
        name="stories",
        version="1",
        needs=("transcripts",),
        roles=("chat",),
        make=titled,
        save=save,
        load=load,
    ),
    description=__doc__ or "",
    columns=[
        ("record_id", "bigint", "the response"),
        ("title", "text", "two to seven words"),
        ("summary", "text", "one sentence"),
        ("text", "text", "the speaker's words, cleaned, in paragraphs"),
    ],
)
