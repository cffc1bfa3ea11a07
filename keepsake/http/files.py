"""Files as players and browsers read them: whole or in part, and not again while unchanged.

Conditional requests and single ranges as RFC 9110 has them (sections 13 and 14); several ranges at
once are answered by the whole, as it allows. Nothing is held in memory but the piece that is on its
way. Who may read a file is decided before; the media type is the caller's, never the uploader's.
"""

import hashlib
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from keepsake.clients.objects import MissingObject, ObjectStore
from keepsake.errors import StepError
from keepsake.http.problems import Problem

_log = logging.getLogger(__name__)

# A cache asks each time: what was deleted or hidden is gone for everyone at once.
CACHE_CONTROL = "private, no-cache"
_TAG = re.compile(r'(W/)?"([^"]*)"')
_RANGE = re.compile(r"bytes= *([0-9]{0,18}) *- *([0-9]{0,18}) *", re.IGNORECASE)


@dataclass(frozen=True)
class _File:
    """What is served: bytes, the tag of its content, when it changed, its headers."""

    size: int
    tag: str
    modified: datetime | None
    headers: Mapping[str, str]


class _Opened(StreamingResponse):
    """A response whose content is opened before it starts, so that an error is still answered."""

    def __init__(
        self,
        opened: AbstractAsyncContextManager[AsyncIterator[bytes]],
        status: int,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__((), status, headers)
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._opened as pieces:
            self.body_iterator = _noted(pieces)
            await super().__call__(scope, receive, send)


async def _noted(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces. Once an answer has begun, that the store fails can only be logged."""
    try:
        async for piece in pieces:
            yield piece
    except StepError as error:
        _log.error("a file broke off while it was sent: %s", error)
        raise


async def object_response(
    request: Request,
    objects: ObjectStore,
    key: str,
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer GET or HEAD with an object, or the part of it that is asked for.

    Args:
        request: with its conditions and its range.
        objects: the store.
        key: of the object.
        media_type: of its content.
        headers: more of the answer.

    Raises:
        Problem: there is no such object; a condition fails; the range lies beyond the end.
        StepError: the store fails.
    """
    try:
        stored = await objects.stat(key)
    except MissingObject:
        raise Problem("not_found", "its file is not there") from None
    file = _File(stored.size, stored.tag, stored.at, _headers(media_type, headers))
    status, part = _asked(request, file)
    if request.method == "HEAD" or status == 304:
        return Response(None, status, _described(file, status, part))
    opened = objects.open_range(key, stored, *part)
    return _Opened(opened, status, _described(file, status, part))


def bytes_response(
    request: Request,
    content: bytes,
    media_type: str,
    headers: Mapping[str, str] | None = None,
    *,
    modified: datetime | None = None,
) -> Response:
    """Answer GET or HEAD with what was made for it, as `object_response` does.

    `modified` is when the content last changed, if that is known.
    """
    tag = hashlib.sha256(content).hexdigest()[:32]
    file = _File(len(content), tag, modified, _headers(media_type, headers))
    status, (start, end) = _asked(request, file)
    body = None if request.method == "HEAD" or status == 304 else content[start:end]
    return Response(body, status, _described(file, status, (start, end)))


def _headers(media_type: str, more: Mapping[str, str] | None) -> Mapping[str, str]:
    return {"Content-Type": media_type, "Cache-Control": CACHE_CONTROL, **(more or {})}


def _described(file: _File, status: int, part: tuple[int, int]) -> dict[str, str]:
    """The headers of an answer."""
    headers = {**file.headers, "ETag": f'"{file.tag}"', "Accept-Ranges": "bytes"}
    if file.modified:
        headers["Last-Modified"] = format_datetime(file.modified.astimezone(UTC), usegmt=True)
    if status == 304:
        return headers
    start, end = part
    headers["Content-Length"] = str(end - start)
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    return headers


def _asked(request: Request, file: _File) -> tuple[int, tuple[int, int]]:
    """The status of the answer, and its first byte and the one after its last.

    Raises:
        Problem: a condition fails, or the range lies beyond the end.
    """
    whole = (0, file.size)
    if not _as_expected(request, file):
        raise Problem("version_mismatch", "the file is not the one that the request expects")
    if _unchanged(request, file):
        return 304, whole
    asked = request.headers.get("range")
    # Ranges are defined for GET alone.
    if asked is None or request.method != "GET" or not _same_as_before(request, file):
        return 200, whole
    part = _part(asked, file.size)
    return (206, part) if part else (200, whole)


def _as_expected(request: Request, file: _File) -> bool:
    """If-Match, or without it If-Unmodified-Since."""
    expected = request.headers.get("if-match")
    if expected is not None:
        return expected.strip() == "*" or file.tag in _tags(expected, weak=False)
    since = _moment(request.headers.get("if-unmodified-since"))
    return since is None or file.modified is None or _second(file.modified) <= since


def _unchanged(request: Request, file: _File) -> bool:
    """If-None-Match, or without it If-Modified-Since."""
    known = request.headers.get("if-none-match")
    if known is not None:
        return known.strip() == "*" or file.tag in _tags(known, weak=True)
    since = _moment(request.headers.get("if-modified-since"))
    return since is not None and file.modified is not None and _second(file.modified) <= since


def _same_as_before(request: Request, file: _File) -> bool:
    """If-Range: whether what the client has a part of is still the same, by its tag or its time."""
    known = request.headers.get("if-range")
    if known is None:
        return True
    if '"' in known:
        return file.tag in _tags(known, weak=False)
    return file.modified is not None and _second(file.modified) == _moment(known)


def _tags(header: str, *, weak: bool) -> set[str]:
    """The tags that a header lists; weak ones only where they count."""
    return {tag for prefix, tag in _TAG.findall(header) if weak or not prefix}


def _moment(header: str | None) -> datetime | None:
    """The date of a header; None: it has none."""
    try:
        moment = parsedate_to_datetime(header) if header else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _second(moment: datetime) -> datetime:
    """Dates of HTTP have whole seconds."""
    return moment.replace(microsecond=0)


def _part(header: str, size: int) -> tuple[int, int] | None:
    """The first byte of a range and the one after its last; None: it asks for no single range.

    Raises:
        Problem: it lies beyond the end.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:  # the last so many bytes
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last or size) + 1, size)
        if last and int(last) < int(first):
            return None
    if start >= size:
        raise Problem(
            "range_not_satisfiable",
            f"the file has {size:,} bytes",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end
