"""Saving bookmarks over HTTP."""

import asyncio
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from keepsake.bookmarks.bookmark import LINE, NewBookmark, add_bookmark
from keepsake.bookmarks.imports import check_file
from keepsake.http.added import ADDED, StartedBatch
from keepsake.http.bodies import AboutFile, received, upload_body
from keepsake.http.callers import OwnerCaller, for_owner
from keepsake.http.idempotency import IdempotencyKey, once
from keepsake.http.imports import accept_import

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


@router.post(
    "/imports",
    status_code=202,
    response_model=StartedBatch,
    openapi_extra=upload_body(
        None, "file", "A browser's export (HTML), a CSV of Pocket and others, a JSON of Karakeep."
    ),
)
async def import_bookmarks_file(
    request: Request,
    caller: Annotated[OwnerCaller, for_owner("ingest")],
    about: Annotated[AboutFile, Query()],
    key: IdempotencyKey = None,
) -> Response:
    """Import a file of bookmarks: the whole body, or the part `file` of a form."""
    async with (
        once(request, caller.state, caller.owner_id, key) as asked,
        received(request, caller.state, about, file_field="file", otherwise="bookmarks") as upload,
    ):
        await asked.check(upload.fingerprint)
        await asyncio.to_thread(check_file, upload.file.path, upload.file.name)
        return await accept_import(caller, asked, LINE, upload.file)
