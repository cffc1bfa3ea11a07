"""Uploads that may break off and go on: tus 1.0.0 with creation, termination and expiration.

The bytes are in a file of the data folder. Its size is the offset: what arrived counts, even of a
request that broke off. What becomes of a file that is whole is its line's business.
https://tus.io/protocols/resumable-upload
"""

import asyncio
import base64
import binascii
import fcntl
import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import Request
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from keepsake.database import AsyncConnection
from keepsake.http.bodies import PIECE, chunks, expect_file, media_type, room
from keepsake.http.callers import OwnerCaller
from keepsake.http.problems import Problem
from keepsake.records.received import ReceivedFile

VERSION = "1.0.0"
EXTENSIONS = "creation,termination,expiration"
LIFETIME = timedelta(hours=24)
OFFSET_OCTETS = "application/offset+octet-stream"


@dataclass(frozen=True)
class ResumableUpload:
    """An upload that was begun.

    Attributes:
        id: in its address.
        length: bytes of the whole.
        about: what its sender says of it.
        record_id: what was made of the whole; None: nothing so far.
        expires_at: when it is forgotten.
    """

    id: uuid.UUID
    length: int
    about: Mapping[str, Any]
    record_id: int | None
    expires_at: datetime


def check_version(request: Request) -> None:
    """See that the client speaks our version of the protocol.

    Raises:
        Problem: it does not.
    """
    if request.headers.get("tus-resumable") != VERSION:
        raise Problem(
            "version_mismatch",
            f"this is tus {VERSION}: send Tus-Resumable: {VERSION}",
            headers={"Tus-Version": VERSION},
        )


def headers_of(upload: ResumableUpload, offset: int) -> dict[str, str]:
    """What is answered of an upload."""
    headers = {
        "Tus-Resumable": VERSION,
        "Upload-Offset": str(offset),
        "Upload-Length": str(upload.length),
        "Upload-Expires": format_datetime(upload.expires_at, usegmt=True),
        "Cache-Control": "no-store",
    }
    if upload.record_id is not None:
        headers["Content-Location"] = f"/api/records/{upload.record_id}"
    return headers


def metadata(request: Request) -> dict[str, str]:
    """What `Upload-Metadata` says: names, each with a text in Base64.

    Raises:
        Problem: it cannot be read.
    """
    said: dict[str, str] = {}
    for pair in filter(None, request.headers.get("upload-metadata", "").split(",")):
        name, _, encoded = pair.strip().partition(" ")
        try:
            said[name] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Problem(
                "malformed_request", f"Upload-Metadata: {name!r} is no UTF-8 in Base64"
            ) from None
    return said


def declared_length(request: Request, caller: OwnerCaller) -> int:
    """How long the whole is to be.

    Raises:
        Problem: the client does not say, or it is too long.
    """
    length = _number(request, "Upload-Length")
    most = caller.state.settings.max_upload_mb * 1_000_000
    if length > most:
        raise Problem("too_large", f"the file is longer than {most:,} bytes (MAX_UPLOAD_MB)")
    if not length:
        raise Problem("invalid_input", "the file is empty (0 bytes)")
    expect_file(request, caller.state, length)
    return length


def _number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise Problem("malformed_request", f"{name} must say a number of bytes")
    return int(text)


async def begin(
    connection: AsyncConnection, caller: OwnerCaller, length: int, about: Mapping[str, Any]
) -> ResumableUpload:
    """Begin an upload, in a transaction of its owner; forget those that have expired."""
    cursor = await connection.execute(
        "DELETE FROM resumable_uploads WHERE owner_id = %s AND expires_at < now() RETURNING id",
        (caller.owner_id,),
    )
    expired = [row[0] for row in await cursor.fetchall()]
    reading = connection.cursor(row_factory=class_row(ResumableUpload))
    await reading.execute(
        "INSERT INTO resumable_uploads (id, owner_id, length, about, expires_at)"
        " VALUES (%s, %s, %s, %s, now() + %s)"
        " RETURNING id, length, about, record_id, expires_at",
        (uuid.uuid4(), caller.owner_id, length, Jsonb(about), LIFETIME),
    )
    upload = await reading.fetchone()
    assert upload is not None  # noqa: S101  # RETURNING returns
    with room():
        _path(caller, upload.id).touch()
    for id in expired:
        _path(caller, id).unlink(missing_ok=True)
    return upload


async def find(caller: OwnerCaller, id: uuid.UUID) -> tuple[ResumableUpload, int]:
    """An upload of the owner's, and how much of it has arrived.

    Raises:
        Problem: there is none, or it has expired.
    """
    async with caller.transaction() as connection:
        cursor = connection.cursor(row_factory=class_row(ResumableUpload))
        await cursor.execute(
            "SELECT id, length, about, record_id, expires_at FROM resumable_uploads"
            " WHERE id = %s AND owner_id = %s AND expires_at >= now()",
            (id, caller.owner_id),
        )
        upload = await cursor.fetchone()
    if upload is not None and upload.record_id is not None:
        return upload, upload.length
    try:
        if upload is not None:
            return upload, _path(caller, id).stat().st_size
    except FileNotFoundError:
        pass
    raise Problem("not_found", "there is no such upload, or it has expired: begin a new one")


def discard(caller: OwnerCaller, upload: ResumableUpload) -> None:
    """Delete what has arrived: it is in the object store."""
    _path(caller, upload.id).unlink(missing_ok=True)


async def terminate(caller: OwnerCaller, id: uuid.UUID) -> None:
    """Forget an upload and what has arrived of it."""
    async with caller.transaction() as connection:
        await connection.execute(
            "DELETE FROM resumable_uploads WHERE id = %s AND owner_id = %s", (id, caller.owner_id)
        )
    _path(caller, id).unlink(missing_ok=True)


@asynccontextmanager
async def appended(
    request: Request, caller: OwnerCaller, upload: ResumableUpload
) -> AsyncIterator[int]:
    """Append the body to what has arrived; gives how much that is. No other request may meanwhile.

    Raises:
        Problem: the client and we do not agree on the offset, another request is at it, the body
            is longer than what is missing, or there is no room for it.
    """
    if media_type(request) != OFFSET_OCTETS:
        raise Problem("unsupported_media_type", f"send the bytes as {OFFSET_OCTETS}")
    offset = _number(request, "Upload-Offset")
    if upload.record_id is not None:  # the answer was lost, and the client asks again
        _check_offset(offset, upload.length)
        yield upload.length
        return
    with _opened(_path(caller, upload.id)) as file, _alone(file):
        _check_offset(offset, file.seek(0, os.SEEK_END))
        expect_file(request, caller.state)
        await _append(request, file, upload.length - offset)
        yield file.tell()


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("r+b", buffering=0)
    except FileNotFoundError:
        raise _in_progress() from None


def _in_progress() -> Problem:
    return Problem(
        "request_in_progress", "another request is at this upload: ask how much has arrived"
    )


def _check_offset(said: int, arrived: int) -> None:
    if said != arrived:
        raise Problem(
            "conflict",
            f"{arrived} bytes have arrived: go on from there",
            headers={"Upload-Offset": str(arrived)},
        )


@contextmanager
def _alone(file: BinaryIO) -> Iterator[None]:
    """Hold the file against other requests, also of other processes, until the block or we end."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _in_progress() from None
    yield


async def _append(request: Request, file: BinaryIO, missing: int) -> None:
    before, waiting, taken = file.tell(), bytearray(), 0
    try:
        async for chunk in chunks(request):
            taken += len(chunk)
            if taken > missing:
                waiting.clear()
                file.truncate(before)
                raise Problem("too_large", f"the body is longer than the {missing} bytes missing")
            waiting += chunk
            if len(waiting) >= PIECE:
                await _write(file, waiting)
    finally:  # what arrived counts, also of a body that broke off
        with room():
            await _write(file, waiting)
            await asyncio.to_thread(os.fsync, file.fileno())


async def _write(file: BinaryIO, data: bytearray) -> None:
    """Write all of it; in `data` is then what was not."""

    def write() -> None:
        while data:  # a disk that fills up takes a part first
            del data[: file.write(data)]

    with room():
        await asyncio.to_thread(write)


async def whole_file(caller: OwnerCaller, upload: ResumableUpload, name: str) -> ReceivedFile:
    """The file of an upload of which all has arrived."""
    path = _path(caller, upload.id)
    return ReceivedFile(path, name, await asyncio.to_thread(_sha256, path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _path(caller: OwnerCaller, id: uuid.UUID) -> Path:
    return caller.state.settings.incoming_folder / f"{id.hex}.upload"
