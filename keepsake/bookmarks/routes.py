"""Saving bookmarks over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from keepsake.bookmarks.bookmark import NewBookmark, add_bookmark
from keepsake.http.added import AddedRecord, answer_added
from keepsake.http.callers import OwnerCaller, for_owner

router = APIRouter(prefix="/api/bookmarks", tags=["bookmarks"])


class BookmarkIn(BaseModel):
    """A page to save."""

    url: str = Field(
        description="Its address. May be empty where there is a content.",
        examples=["https://example.org/tides"],
    )
    platform: str | None = Field(None, examples=["youtube"])
    title: str | None = None
    content: str | None = Field(None, description="Text that comes with it.")
    tags: list[str] = []
    recorded_at: datetime | None = Field(None, description="When it was saved. Absent: now.")
    priority: Literal["low", "normal", "urgent"] = "normal"
    external_id: str | None = Field(
        None, description="Your name for it: the same one again is the same bookmark."
    )


@router.post("", status_code=201, responses={200: {"description": "It was there already."}})
async def create_bookmark(
    new: BookmarkIn, response: Response, caller: Annotated[OwnerCaller, for_owner("ingest")]
) -> AddedRecord:
    """Save a page. The same page again is the same bookmark, with the tags of both times."""
    state = caller.state
    added = await add_bookmark(
        state.pool, state.settings, await caller.owner(), NewBookmark(**new.model_dump())
    )
    return answer_added(response, added)
