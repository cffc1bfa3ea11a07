"""Search in all that an owner keeps. How it is done is in `keepsake/search/`."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from keepsake.http.callers import OwnerCaller, for_owner
from keepsake.search.filters import Filters
from keepsake.search.search import Answer, search

router = APIRouter(prefix="/api/search", tags=["search"])


class SearchHit(BaseModel):
    """A record, and the text of it that fits best."""

    record_id: int = Field(examples=[12])
    line: str = Field(examples=["family"])
    title: str | None = Field(examples=["The Winter I was Nine"])
    by: str | None = Field(
        description="Who said it, or the site that published it.", examples=["Rose"]
    )
    url: str | None = Field(description="Of a saved page.")
    recorded_at: datetime
    kind: str = Field(
        description="What the text is: passage (of what was said, written or saved), story, quote, "
        "wisdom, tag, page (title and address), summary, activity, letter, insight.",
        examples=["passage"],
    )
    text: str = Field(
        description="Plain text, at most about a hundred words: escape it before you show it.",
        examples=["I never felt brave, not once."],
    )
    marks: list[tuple[int, int]] = Field(
        description="Where the words of the query are in `text`: for each, its first character "
        "(Unicode code point) and the one after it.",
        examples=[[[13, 18]]],
    )
    starts_at: float | None = Field(
        description="The second of the recording at which the text is said.", examples=[34.2]
    )
    ends_at: float | None = Field(examples=[36.0])
    score: float = Field(description="By which hits are ordered.", examples=[0.0328])
    similarity: float | None = Field(
        description="Cosine of the text to the query; null: not compared.", examples=[0.41]
    )


class SearchAnswer(BaseModel):
    """What was found, best first."""

    hits: list[SearchHit]
    processing: int = Field(
        description="Records that are still searched by the words of their text only.", examples=[0]
    )
    degraded: str | None = Field(
        description="Why not all was searched by meaning; null: it was.", examples=[None]
    )


@router.get("")
async def search_records(
    caller: Annotated[OwnerCaller, for_owner("read")],
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=1000,
            description='Words, "phrases", -exclusions and `or`, or a question.',
            examples=["the night boat"],
        ),
    ],
    line: Annotated[str | None, Query(description="Only of this line.")] = None,
    person: Annotated[
        str | None, Query(description="Only what this member said, or this site published.")
    ] = None,
    tag: Annotated[str | None, Query(description="Only records with this tag.")] = None,
    since: Annotated[
        date | None, Query(alias="from", description="Recorded on this day (UTC) or later.")
    ] = None,
    until: Annotated[
        date | None, Query(alias="to", description="Recorded on this day (UTC) or earlier.")
    ] = None,
    kind: Annotated[str | None, Query(description="Only texts of this kind.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="The most hits.")] = 20,
) -> SearchAnswer:
    """Search by meaning and by words, in passages and in all that was made of records.

    A record is one hit. There is no next page: a search ranks what fits best, at most 200 texts of
    each kind of match. To see other records, ask for more hits, or filter.
    """
    state = caller.state
    answer = await search(
        state.pool,
        await state.embeddings.now(),
        q,
        owner_id=caller.owner_id,
        filters=Filters(line, person, tag, since, until, kind),
        limit=limit,
    )
    return SearchAnswer(
        hits=[SearchHit.model_validate(vars(hit)) for hit in answer.hits],
        processing=answer.processing,
        degraded=_degraded(answer),
    )


def _degraded(answer: Answer) -> str | None:
    if answer.words_only:
        return "The embeddings model does not answer: this was searched by words alone."
    if answer.of_other_models:
        return "Some records were embedded by another model: they were searched by words alone."
    return None
