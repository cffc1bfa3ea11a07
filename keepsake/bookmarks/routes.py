"""Saving bookmarks over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from keepsake.bookmarks.bookmark import NewBookmark, add_bookmark
from keepsake.http.added import ADDED
from keepsake.http.callers import OwnerCaller, for_owner
from keepsake.http.idempotency import IdempotencyKey, once

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


@router.post("", status_code=201, response_model=None, responses=ADDED)
async def create_bookmark(
    new: BookmarkIn,
    request: Request,
    caller: Annotated[OwnerCaller, for_owner("ingest")],
    key: IdempotencyKey = None,
) -> Response:
    """Save a page. The same page again is the same bookmark, with the tags of both times."""
    state = caller.state
    async with once(request, state, caller.owner_id, key) as asked:
        await asked.check(await request.body())
        await add_bookmark(
            state.pool,
            state.settings,
            caller.owner_id,
            NewBookmark(**new.model_dump()),
            also=asked.answer_added,
        )
        return asked.response()
