"""Activities come in over HTTP: a file, or an archive of them."""

import asyncio
import zipfile
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from keepsake.database import AsyncConnection
from keepsake.http.added import ADDED, AddedRecord, StartedBatch
from keepsake.http.bodies import AboutFile, received, upload_body
from keepsake.http.callers import OwnerCaller, for_owner
from keepsake.http.idempotency import AskedOnce, IdempotencyKey, once
from keepsake.http.imports import accept_import
from keepsake.records.adding import Added
from keepsake.records.received import ReceivedFile
from keepsake.running.activity import LINE
from keepsake.running.imports import AddedActivity, add_activity

router = APIRouter(prefix="/api/activities", tags=["running"])


class AboutActivity(AboutFile):
    """What is known of an activity beside its file."""

    title: str | None = Field(None, description="Your own name for it.", examples=["Evening run"])
    priority: Literal["low", "normal", "urgent"] = "normal"
    external_id: str | None = Field(
        None, description="Your name for it: the same one again is the same activity."
    )


class AddedActivityRecord(AddedRecord):
    """An activity that was added, or was there."""

    others: list[int] = Field([], description="Records of the further activities in the file.")


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {**ADDED[200], "model": AddedActivityRecord},
    201: {**ADDED[201], "model": AddedActivityRecord},
    202: {"model": StartedBatch, "description": "It is an archive, which is being taken in."},
}


@router.post(
    "",
    status_code=201,
    response_model=None,
    responses=_ANSWERS,
    openapi_extra=upload_body(
        AboutActivity, "file", "FIT, GPX or TCX, gzipped or not, or a ZIP archive of such files."
    ),
)
async def create_activity(
    request: Request,
    caller: Annotated[OwnerCaller, for_owner("ingest")],
    about: Annotated[AboutActivity, Query()],
    key: IdempotencyKey = None,
) -> Response:
    """Add an activity by its file: the whole body, or the part `file` of a form.

    An archive (an export of Strava or Garmin) becomes a batch with all its activities.
    """
    async with (
        once(request, caller.state, caller.owner_id, key) as asked,
        received(request, caller.state, about, file_field="file", otherwise="activity") as upload,
    ):
        await asked.check(upload.fingerprint)
        if await asyncio.to_thread(zipfile.is_zipfile, upload.file.path):
            return await accept_import(caller, asked, LINE, upload.file)
        return await _add(caller, upload.about, upload.file, asked)


async def _add(
    caller: OwnerCaller, about: AboutActivity, file: ReceivedFile, asked: AskedOnce
) -> Response:
    async def answer(connection: AsyncConnection, added: Added) -> None:
        others = added.others if isinstance(added, AddedActivity) else ()
        await asked.answer_added(connection, added, others=[each.record_id for each in others])

    state = caller.state
    await add_activity(
        state.pool,
        state.objects,
        state.settings,
        await caller.owner(),
        file.path,
        name=file.name,
        title=about.title,
        priority=about.priority,
        external_id=about.external_id,
        workers=state.workers,
        also=answer,
    )
    return asked.response()
