"""A summary of the page in two or three sentences.

A summary with a name or number that is not on the page is refused. Where the endpoint enforces the
schema, its weak model chooses sentences of the page itself instead of writing its own. A page
without text (an image, a film, a login wall) has no summary, and that is no failure: the page's
note says why.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationInfo, create_model, field_validator

from keepsake.bookmarks.bookmark import Bookmark
from keepsake.bookmarks.steps.pages import FetchedPage
from keepsake.bookmarks.steps.prompts import RULES, shown
from keepsake.database import AsyncConnection
from keepsake.pipeline.line import Made, Step
from keepsake.steps.prompts import condensed, nearest, one_of, whole_sentences
from keepsake.steps.rows import replace_rows
from keepsake.steps.tools import Tools
from keepsake.text.spans import chunks, invented, sentences

FEWEST, SENTENCES = 2, 3
ENDS = (".", "!", "?", "…", "。", "！", "？", '"', "”", "’", "»", ")")  # of sentences
LONGEST = 900  # characters
CHOICES = 5  # sentences of the page that a weak model chooses from
MOST_PORTIONS = 8  # of a longer text only the beginning is summed up: so many calls' worth

SYSTEM = (
    "You sum up web pages for the person who saved them: what the page is about and what it says, "
    "in two or three plain sentences, in the language of the page. Keep its names and numbers as "
    "they stand there. " + RULES
)


class Summary(BaseModel):
    """The model's answer. Validated with (what the page says, its language) as context."""

    summary: Annotated[str, Field(min_length=10, max_length=LONGEST)]

    @field_validator("summary")
    @classmethod
    def _few_sentences(cls, text: str) -> str:
        line = " ".join(text.strip(" \"'“”*#").split())
        ends = [span.end for span in sentences(line)]
        return line[: ends[min(SENTENCES, len(ends)) - 1]] if ends else line

    @field_validator("summary")
    @classmethod
    def _nothing_invented(cls, text: str, info: ValidationInfo) -> str:
        assert info.context is not None  # noqa: S101  # every call gives it
        said, language = info.context
        if strange := [word for word in invented(text, said) if _tells(word, language)]:
            raise ValueError(f"these names or numbers are not on the page: {', '.join(strange)}")
        return text


def _tells(word: str, language: str | None) -> bool:
    """Whether a word not on the page is a fact made up; German capitalises every noun."""
    return word[0].isdigit() or (language or "").partition("-")[0] != "de"


async def write(bookmark: Bookmark, fetched: FetchedPage, tools: Tools) -> str:
    """Sum up the page; empty if it has no text.

    Raises:
        PermanentError: the model's answer did not fit after one repair.
    """
    text = _beginning(fetched.page.text, tools)
    if not text:
        return ""

    async def sum_up(part: str) -> str:
        if tools.models.chat.enforces_schema:
            return await _chosen(bookmark, fetched, part, tools)
        return await _written(bookmark, fetched, part, tools)

    return await sum_up(await condensed(text, tools, sum_up=sum_up))


def _beginning(text: str, tools: Tools) -> str:
    parts = chunks(text, words=tools.settings.chat_words)[:MOST_PORTIONS]
    return text[: parts[-1].end] if parts else ""


async def _written(bookmark: Bookmark, fetched: FetchedPage, text: str, tools: Tools) -> str:
    page = fetched.page
    known = (text, page.title, page.description, page.author, page.site, bookmark.title)
    answer = await tools.models.chat.ask(
        Summary,
        system=SYSTEM,
        user=shown(bookmark, fetched, text),
        max_tokens=400,
        context=(" ".join(filter(None, known)), page.language),
    )
    return answer.summary


async def _chosen(bookmark: Bookmark, fetched: FetchedPage, text: str, tools: Tools) -> str:
    """Sentences of the page that a weak model chose, in the order of the page."""
    # A line is a paragraph or a heading: no sentence goes beyond it, and a heading is none.
    lines = text.splitlines()
    whole = list(dict.fromkeys(each for line in lines for each in whole_sentences(line)))
    said = [each for each in whole if each.endswith(ENDS)] or whole
    if len(said) <= SENTENCES:
        return (" ".join(said) or " ".join(text.split()))[:LONGEST]
    near = await nearest(said, text, tools, few=CHOICES)
    choice: Any = one_of([sentence for sentence in said if sentence in near])
    shape = create_model(
        "Summary", sentences=(list[choice], Field(min_length=FEWEST, max_length=SENTENCES))
    )
    answer = await tools.models.chat.ask(
        shape, system=SYSTEM, user=shown(bookmark, fetched, text), max_tokens=400
    )
    chosen = list(dict.fromkeys(answer.sentences))  # type: ignore[attr-defined]
    # It may choose one over and over: what is nearest to the whole makes up for it.
    chosen += [each for each in near if each not in chosen][: max(0, FEWEST - len(chosen))]
    return " ".join(sentence for sentence in said if sentence in chosen)


async def save(connection: AsyncConnection, made: Sequence[Made[str]]) -> None:
    """Store summaries."""
    await replace_rows(
        connection,
        "summaries",
        made,
        ("summary",),
        lambda summary: [(summary,)] if summary else [],
    )


SUMMARIES = Step(
    name="summaries",
    version="1",
    needs=("pages",),
    roles=("chat",),
    make=write,
    save=save,
    nothing=lambda summary: None if summary else "the page has no text",
)
