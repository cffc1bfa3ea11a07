"""What was made of a bookmark, as it is answered over HTTP."""

from collections.abc import Callable
from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from keepsake.bookmarks.views import BookmarkView
from keepsake.line_module import Results


class KeywordOut(BaseModel):
    """A keyword."""

    tag: str = Field(examples=["sea"])
    source: Literal["human", "ai"] = Field(description="Who set it.")


class MediumOut(BaseModel):
    """A file of the page that is kept."""

    kind: str = Field(examples=["video"])
    name: str
    address: str
    content_type: str
    size_bytes: int
    duration: float | None = Field(description="Seconds.")


class BookmarkResults(BaseModel):
    """What was made of a bookmark; what is not made yet is null or empty."""

    line: Literal["bookmarks"] = "bookmarks"
    url: str
    site: str | None
    author: str | None
    published_on: date | None
    folder: str | None
    language: str | None = Field(examples=["en"])
    words: int | None = Field(description="How many its text has.")
    note: str | None = Field(description="Why there is no more of the page.")
    page: str | None = Field(description="Address of the response that the site gave.")
    text: str | None = Field(description="What is readable of the page.")
    summary: str | None
    tags: list[KeywordOut]
    media: list[MediumOut]


def _of(made: BookmarkView, address: Callable[[str], str]) -> BookmarkResults:
    return BookmarkResults(
        url=made.url,
        site=made.site,
        author=made.author,
        published_on=made.published_on,
        folder=made.folder,
        language=made.language,
        words=made.words,
        note=made.note,
        page=address(made.body_key) if made.body_key else None,
        text=made.text,
        summary=made.summary,
        tags=[
            KeywordOut.model_validate({"tag": word.keyword, "source": word.source})
            for word in made.keywords
        ],
        media=[
            MediumOut(
                kind=medium.kind,
                name=medium.name,
                address=address(medium.object_key),
                content_type=medium.content_type,
                size_bytes=medium.size_bytes,
                duration=medium.duration,
            )
            for medium in made.media
        ],
    )


RESULTS = Results(BookmarkResults, _of)
