"""Bodies that a route reads itself. FastAPI reads a declared body before it asks who sends it.

A file is written to the data folder and hashed while it comes in, and is gone when the block ends
unless the object store has taken it. No more than `PIECE` of it is in memory.
"""

import asyncio
import errno
import hashlib
import mimetypes
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from keepsake.clients.objects import OCTETS
from keepsake.http.body_limit import MOST_JSON, allow_body
from keepsake.http.problems import Problem
from keepsake.http.state import State
from keepsake.records.received import ReceivedFile
from keepsake.text.names import printable

PIECE = 1 << 20  # bytes that are hashed and written at once
LONGEST_NAME = 200  # characters of a file's name
LEFT_SECONDS = 86_400  # after which a file on its way in is given up
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What browsers record, which Python's own table does not know.
_SUFFIXES = {"audio/webm": ".webm", "audio/mp4": ".m4a", "audio/ogg": ".ogg"}
_JSON, FORM = "application/json", "multipart/form-data"

M = TypeVar("M", bound=BaseModel)


class AboutFile(BaseModel):
    """What is said of a file beside its content."""

    file_name: str | None = Field(None, description="What the file is called.")


F = TypeVar("F", bound=AboutFile)


@dataclass(frozen=True)
class Upload(Generic[F]):
    """A file that came in, and what was said of it."""

    file: ReceivedFile
    about: F

    @property
    def fingerprint(self) -> bytes:
        """Of all of it."""
        return f"{self.file.sha256} {self.about.model_dump_json()}".encode()


@dataclass
class Form:
    """What came in a form: its texts, and at most one file."""

    values: dict[str, str] = field(default_factory=dict)
    file: ReceivedFile | None = None


def media_type(request: Request) -> str:
    """What a body is said to be, without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(request: Request) -> bool:
    """Whether a body is said to be JSON."""
    return media_type(request) == _JSON


def is_form(request: Request) -> bool:
    """Whether a body is said to be a form that may have a file."""
    return media_type(request) == FORM


async def read_json(request: Request, model: type[M]) -> M:
    """The body as one of our models.

    Raises:
        RequestValidationError: it is no JSON, or not of that form.
        Problem: it broke off or is too large.
    """
    try:
        body = await request.body()
    except ClientDisconnect:
        raise broken_off() from None
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _invalid("body", error) from None


def checked(values: dict[str, Any], model: type[M], where: str = "body") -> M:
    """Values of a form or an address as one of our models.

    Raises:
        RequestValidationError: they are not of that form.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _invalid(where, error) from None


def _invalid(where: str, error: ValidationError) -> RequestValidationError:
    wrong = [{**each, "loc": (where, *each["loc"])} for each in error.errors(include_url=False)]
    return RequestValidationError(wrong)


@asynccontextmanager
async def received(
    request: Request, state: State, about: F, *, file_field: str, otherwise: str
) -> AsyncIterator[Upload[F]]:
    """A file as the whole body, or as a part of a form whose other parts say more of it.

    Args:
        request: its caller has been checked.
        state: of the process.
        about: what the address says of the file; a form may say it instead.
        file_field: the part of a form that is the file.
        otherwise: what the file is called if its sender does not say; without a suffix.

    Raises:
        RequestValidationError: what the form says is not of that form.
        Problem: it broke off, is empty or too large, or there is no room for it.
    """
    if is_form(request):
        async with receive_form(request, state, file_field=file_field, otherwise=otherwise) as form:
            if form.file is None:
                raise Problem("invalid_input", f"the form has no file in a part {file_field!r}")
            said = about.model_dump(exclude_unset=True) | form.values
            yield Upload(form.file, checked(said, type(about)))
    else:
        async with receive_file(request, state, name=about.file_name, otherwise=otherwise) as file:
            yield Upload(file, about)


def upload_body(about: type[BaseModel] | None, file_field: str, description: str) -> dict[str, Any]:
    """How the document describes a body that `received` reads; `about` are the fields of a form."""
    file = {"type": "string", "format": "binary", "description": description}
    fields = about.model_json_schema()["properties"] if about else {}
    fields.pop("file_name", None)
    form = {"type": "object", "required": [file_field], "properties": {**fields, file_field: file}}
    return {
        "requestBody": {
            "required": True,
            "content": {OCTETS: {"schema": file}, FORM: {"schema": form}},
        }
    }


@asynccontextmanager
async def receive_file(
    request: Request, state: State, *, name: str | None, otherwise: str
) -> AsyncIterator[ReceivedFile]:
    """The whole body as a file.

    Args:
        request: its caller has been checked.
        state: of the process.
        name: what the sender calls the file.
        otherwise: what it is called if the sender does not say; without a suffix.

    Raises:
        Problem: it broke off, is empty or too large, or there is no room for it.
    """
    expect_file(request, state)
    name = file_name(name, media_type(request), otherwise)
    async with _incoming(state) as incoming:
        async for chunk in chunks(request):
            await incoming.write(chunk)
        yield await incoming.finish(name)


@asynccontextmanager
async def receive_form(
    request: Request, state: State, *, file_field: str, otherwise: str
) -> AsyncIterator[Form]:
    """The body as a form. Its file is written as it comes in: it is never there twice.

    Args:
        request: its caller has been checked.
        state: of the process.
        file_field: the name of the only part that may be a file.
        otherwise: what the file is called if the sender does not say; without a suffix.

    Raises:
        Problem: it is no such form, broke off or is too large, or there is no room for it.
    """
    expect_file(request, state)
    async with _incoming(state) as incoming:
        reader = _FormReader(request, incoming, file_field)
        async for chunk in chunks(request):
            await reader.read(chunk)
        reader.finish()
        form = Form(reader.values)
        if reader.file_type is not None:
            name = file_name(reader.file_name, reader.file_type, otherwise)
            form.file = await incoming.finish(name)
        yield form


def file_name(name: str | None, media_type: str, otherwise: str) -> str:
    """A file's name as it can be stored and shown: without folders, never empty."""
    last = printable((name or "").replace("\\", "/").rpartition("/")[2]).strip()
    last = last.encode("utf-8", "replace").decode()
    if last:
        return last[-LONGEST_NAME:]
    return otherwise + (_SUFFIXES.get(media_type) or mimetypes.guess_extension(media_type) or "")


def expect_file(request: Request, state: State, length: int | None = None) -> None:
    """Let the body be as large as a file may be, if there is room for it.

    Args:
        request: its caller has been checked.
        state: of the process.
        length: of the file; None: as the request declares it, if it does.

    Raises:
        Problem: there is no room.
    """
    allow_body(request, state.settings.max_upload_mb * 1_000_000)
    declared = request.headers.get("content-length", "")
    if length is None:
        length = int(declared) if declared.isdecimal() else 0
    folder = state.settings.incoming_folder
    with room():
        folder.mkdir(parents=True, exist_ok=True)
        if length > shutil.disk_usage(folder).free:
            raise _full()


async def chunks(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes in.

    Raises:
        Problem: it broke off or is too large.
    """
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise broken_off() from None


def broken_off() -> Problem:
    """That its sender did not send all of it."""
    return Problem("malformed_request", "the body broke off before its end: send it again")


def _full() -> Problem:
    return Problem(
        "storage_full", "there is no room left here for this file; nothing of it was kept"
    )


@contextmanager
def room() -> Iterator[None]:
    """Say as a problem that a disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _full() from None
        raise


def delete_left(folder: Path) -> None:
    """Delete files that were on their way when a process was killed, and are a day old."""
    for path in folder.glob("*"):
        if path.stat().st_mtime < time.time() - LEFT_SECONDS:
            path.unlink(missing_ok=True)


@asynccontextmanager
async def _incoming(state: State) -> AsyncIterator["_Incoming"]:
    path = state.settings.incoming_folder / f"{uuid.uuid4().hex}.part"
    with room():
        incoming = _Incoming(path)
    try:
        yield incoming
    finally:
        incoming.close()
        path.unlink(missing_ok=True)


class _Incoming:
    """A file on its way in."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, path.open("xb", buffering=0)
        self._hash, self._waiting, self.size = hashlib.sha256(), bytearray(), 0

    async def write(self, data: bytes) -> None:
        """Take the next bytes; they are written when there are enough."""
        self._waiting += data
        if len(self._waiting) >= PIECE:
            await self._flush()

    async def finish(self, name: str) -> ReceivedFile:
        """The file, safe on the disk."""
        await self._flush()
        if not self.size:
            raise Problem("invalid_input", "the file is empty (0 bytes)")
        self.close()
        return ReceivedFile(self._path, name, self._hash.hexdigest())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    async def _flush(self) -> None:
        waiting, self._waiting = self._waiting, bytearray()
        with room():
            await asyncio.to_thread(self._write, waiting)
        self.size += len(waiting)

    def _write(self, data: bytearray) -> None:
        self._hash.update(data)
        with memoryview(data) as left:
            written = 0
            while written < len(left):  # a disk that fills up takes a part first
                written += self._file.write(left[written:]) or 0


class _FormReader:
    """Hands the parts of a form on as they come: the file to the disk, texts to `values`."""

    def __init__(self, request: Request, incoming: _Incoming, file_field: str) -> None:
        _, options = parse_options_header(request.headers.get("content-type"))
        boundary = options.get(b"boundary")
        if not boundary:
            raise Problem("malformed_request", "the form has no boundary in its Content-Type")
        self.values: dict[str, str] = {}
        self.file_name: str | None = None
        self.file_type: str | None = None  # None: there was no file
        self._incoming, self._file_field = incoming, file_field
        self._header, self._headers = [b"", b""], dict[bytes, bytes]()
        self._name, self._is_file, self._ended = "", False, False
        self._text, self._text_size, self._data = bytearray(), 0, bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._part_data,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    async def read(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise Problem("malformed_request", "the body is no form that can be read") from None
        if self._data:
            data, self._data = self._data, bytearray()
            await self._incoming.write(bytes(data))

    def finish(self) -> None:
        """See that the form has its end."""
        if not self._ended:
            raise Problem("malformed_request", "the form broke off before its last boundary")

    def _begin_part(self) -> None:
        self._headers, self._text = {}, bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = [b"", b""]

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = b"filename" in options
        if not self._is_file:
            return
        if self._name != self._file_field or self.file_type is not None:
            raise Problem("invalid_input", f"the form has one file, in a part {self._file_field!r}")
        self.file_name = options[b"filename"].decode("utf-8", "replace")
        kind = self._headers.get(b"content-type", b"").decode("latin-1")
        self.file_type = kind.partition(";")[0].strip().lower()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._data += data[start:end]
            return
        self._text += data[start:end]
        self._text_size += end - start
        if self._text_size > MOST_JSON:
            raise Problem("too_large", f"the texts of the form are longer than {MOST_JSON:,} bytes")

    def _end_part(self) -> None:
        if self._is_file:
            return
        try:
            self.values[self._name] = self._text.decode()
        except UnicodeDecodeError:
            raise Problem("invalid_input", f"the part {self._name!r} is no UTF-8") from None

    def _end(self) -> None:
        self._ended = True
