"""Recordings that come in piece by piece, from a browser whose connection may break (tus 1.0.0).

The protocol is in `keepsake/http/resumable.py`. What is whole becomes a response, like a recording
that came at once.
"""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from keepsake.database import AsyncConnection
from keepsake.family.response import add_response
from keepsake.family.routes import AboutRecording
from keepsake.http.added import Answer
from keepsake.http.bodies import checked, file_name
from keepsake.http.callers import OwnerCaller, for_owner
from keepsake.http.idempotency import IdempotencyKey, once
from keepsake.http.resumable import (
    EXTENSIONS,
    OFFSET_OCTETS,
    VERSION,
    ResumableUpload,
    appended,
    begin,
    check_version,
    declared_length,
    discard,
    find,
    headers_of,
    metadata,
    terminate,
    whole_file,
)
from keepsake.http.state import state_of
from keepsake.records.adding import Added

router = APIRouter(prefix="/api/uploads", tags=["uploads"])

Sender = Annotated[OwnerCaller, for_owner("ingest")]
TusVersion = Annotated[str | None, Header(alias="Tus-Resumable", examples=[VERSION])]
Length = Annotated[str | None, Header(alias="Upload-Length", description="Bytes of the whole.")]
Offset = Annotated[str | None, Header(alias="Upload-Offset", description="Bytes that arrived.")]
Metadata = Annotated[
    str | None,
    Header(
        alias="Upload-Metadata",
        description="`member`, and `filename`, `filetype`, `recorded_at`, `prompt_id`, `priority`, "
        "`external_id`: each name with its text in Base64, and commas between them.",
        examples=["member Um9zZQ==,filename bGlnaHRob3VzZS53ZWJt"],
    ),
]
_BYTES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {OFFSET_OCTETS: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.options("", include_in_schema=False)
async def say_what_uploads_can(request: Request) -> Response:
    """Which version and extensions of tus are spoken here."""
    most = state_of(request).settings.max_upload_mb * 1_000_000
    headers = {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(most),
    }
    return Response(status_code=204, headers=headers)


@router.post("", status_code=201, response_model=None)
async def begin_upload(
    request: Request,
    caller: Sender,
    _version: TusVersion = None,
    _length: Length = None,
    _metadata: Metadata = None,
    key: IdempotencyKey = None,
) -> Response:
    """Begin a recording that comes in piece by piece; `Location` is where its pieces go."""
    check_version(request)
    length = declared_length(request, caller)
    said = metadata(request)
    name = file_name(said.pop("filename", None), said.pop("filetype", ""), "recording")
    about = checked({**said, "file_name": name}, AboutRecording, "Upload-Metadata")
    owner = await caller.owner()
    async with once(request, caller.state, caller.owner_id, key) as asked:
        await asked.check(f"{length} {about.model_dump_json()}".encode())
        async with caller.transaction() as connection:
            upload = await begin(connection, caller, length, about.model_dump(mode="json"))
            where = f"/api/uploads/{upload.id}?owner={owner.slug}"
            await asked.keep(connection, Answer(201, {"id": str(upload.id)}, where))
        response = asked.response()
        response.headers.update(headers_of(upload, 0))
        return response


@router.head("/{id}", status_code=200, response_model=None)
async def read_upload(
    id: uuid.UUID, request: Request, caller: Sender, _version: TusVersion = None
) -> Response:
    """How much has arrived (`Upload-Offset`), and the record of what is whole."""
    check_version(request)
    return Response(headers=headers_of(*await find(caller, id)))


@router.patch("/{id}", status_code=204, response_model=None, openapi_extra=_BYTES)
async def append_to_upload(
    id: uuid.UUID,
    request: Request,
    caller: Sender,
    _version: TusVersion = None,
    _offset: Offset = None,
) -> Response:
    """Append the next piece. After the last one `Content-Location` is the response's record."""
    check_version(request)
    upload, _ = await find(caller, id)
    async with appended(request, caller, upload) as offset:
        if offset == upload.length and upload.record_id is None:
            await _make_response(caller, upload)
            discard(caller, upload)
            upload, offset = await find(caller, id)
        return Response(status_code=204, headers=headers_of(upload, offset))


@router.delete("/{id}", status_code=204, response_model=None)
async def delete_upload(
    id: uuid.UUID, request: Request, caller: Sender, _version: TusVersion = None
) -> Response:
    """Forget an upload and what has arrived of it. A response that was made of it stays."""
    check_version(request)
    await find(caller, id)
    await terminate(caller, id)
    return Response(status_code=204, headers={"Tus-Resumable": VERSION})


async def _make_response(caller: OwnerCaller, upload: ResumableUpload) -> None:
    about = AboutRecording.model_validate(upload.about)
    assert about.file_name is not None  # noqa: S101  # it was given one

    async def note(connection: AsyncConnection, added: Added) -> None:
        await connection.execute(
            "UPDATE resumable_uploads SET record_id = %s WHERE id = %s AND owner_id = %s",
            (added.record_id, upload.id, caller.owner_id),
        )

    state = caller.state
    await add_response(
        state.pool,
        state.objects,
        state.settings,
        caller.owner_id,
        about.response(audio=await whole_file(caller, upload, about.file_name)),
        also=note,
    )
