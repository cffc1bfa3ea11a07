"""A response that has come as far as its headers: what its status means, and its body.

Bodies are unpacked and counted here as they come, so that neither a large one nor a small one that
unpacks to a large one takes more memory or disk than it may.
"""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import httpcore2
from httpx2 import URL, Response

from keepsake.errors import PermanentError, RateLimited, RetryableError
from keepsake.text.names import printable
from keepsake.web.retry_after import retry_after

PIECE = 1 << 16  # bytes that are unpacked at a time: what a bomb can take before it is noticed
LONGEST_NAME = 150
_MEMBER = b"\x1f"  # what a member of gzip begins with

_GONE = {404, 410}
_NOT_FOR_US = {401, 402, 403, 407, 451}
_WORTH_ANOTHER_TRY = {408, 425}


class TooLarge(PermanentError):
    """A response is larger than it may be."""


@dataclass(frozen=True)
class Fetched:
    """A response small enough to be in memory. Names of headers are in lower case."""

    url: str  # after redirects
    status: int  # 304 only when conditional headers were given
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Downloaded:
    """A response that was streamed to a file."""

    url: str  # after redirects
    content_type: str
    size: int  # bytes
    sha256: str
    name: str | None  # from Content-Disposition, without anything of a path


@dataclass(frozen=True)
class Answer:
    """A response whose body has not been read yet."""

    url: URL
    response: Response  # status and headers
    raw: httpcore2.Response

    async def read(self, take: Callable[[bytes], object], *, most: int, whole: bool = True) -> int:
        """Give the body to `take`, piece by piece and unpacked; its size in bytes.

        Args:
            take: called with each piece.
            most: the largest size in bytes, packed as well as unpacked.
            whole: False takes the beginning of a larger one.

        Raises:
            TooLarge: it is larger, as its headers say or as it turns out.
        """
        declared = self.response.headers.get("content-length", "")
        if whole and declared.isdecimal() and int(declared) > most:
            raise self._too_large(most)
        size = came = 0
        unpack = _unpacker(self.url.host, self.response.headers.get("content-encoding", ""))
        async for packed in self.raw.aiter_stream():
            came += len(packed)
            for piece in unpack(packed):
                size += len(piece)
                if size > most and whole:
                    raise self._too_large(most)
                take(piece)
                if size > most:
                    return size
            if came > most:  # and unpacks to less: to nothing, or what follows the end
                raise self._too_large(most)
        return size

    def require(self, *also: int) -> None:
        """Let pass a success, and the statuses in `also`.

        Raises:
            StepError: what any other status means.
        """
        status, host = self.response.status_code, self.url.host
        if self.response.is_success or status in also:
            return
        wait = retry_after(self.response.headers)
        if status == 429:
            raise RateLimited(f"{host} asks us to slow down (429)", retry_after=wait)
        if status >= 500 or status in _WORTH_ANOTHER_TRY:
            raise RetryableError(f"{host} failed ({status})", retry_after=wait)
        if status in _GONE:
            raise PermanentError(f"{host} has nothing at this address ({status})")
        if status in _NOT_FOR_US:
            raise PermanentError(f"{host} does not let us in ({status})")
        raise PermanentError(f"{host} refused the request ({status})")

    async def in_memory(self, most: int, *, whole: bool = True) -> Fetched:
        """The response, if its body has at most `most` bytes; not `whole`: or so much of it."""
        body = bytearray()
        await self.read(body.extend, most=most, whole=whole)
        response = self.response
        return Fetched(str(self.url), response.status_code, dict(response.headers), bytes(body))

    async def in_file(self, path: Path, most: int) -> Downloaded:
        """The response with its body in the file `path`, if it has at most `most` bytes.

        Raises:
            TooLarge: it has more.
            RetryableError: it has none.
        """
        digest = hashlib.sha256()
        with _new_file(path) as write:

            def take(piece: bytes) -> None:
                write(piece)
                digest.update(piece)

            size = await self.read(take, most=most)
        if not size:
            raise RetryableError(f"{self.url.host} sent an empty file")
        headers = self.response.headers
        content_type = headers.get("content-type", "application/octet-stream")
        name = file_name(headers.get("content-disposition", ""))
        return Downloaded(str(self.url), content_type, size, digest.hexdigest(), name)

    def _too_large(self, most: int) -> TooLarge:
        return TooLarge(f"what {self.url.host} sends is larger than {most / 1_000_000:g} MB")


def _unpacker(host: str, encoding: str) -> Callable[[bytes], Iterator[bytes]]:
    """What unpacks the pieces of a body: never more than `PIECE` bytes into memory at a time.

    Raises:
        PermanentError: the body is packed in a way that we did not ask for.
    """
    match encoding.strip().lower():
        case "" | "identity" | "none" | "utf-8":  # the last two by mistake, as browsers know
            return lambda data: iter((data,))
        case "gzip" | "x-gzip" | "deflate":
            return _Inflate(host).pieces
    raise PermanentError(f"{host} packs its answer in a way that we did not ask for")


class _Inflate:
    """Unpacks gzip and zlib, whichever it is; of gzip all the members."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._inflate = _inflate()

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """What a piece of the packed body unpacks to."""
        piece = b"more"
        while packed or piece:
            if self._inflate.eof:
                if not packed.startswith(_MEMBER):
                    return
                self._inflate = _inflate()
            try:
                piece = self._inflate.decompress(packed, PIECE)
            except zlib.error:
                raise PermanentError(f"{self._host} sends what cannot be unpacked") from None
            packed = self._inflate.unconsumed_tail or self._inflate.unused_data
            if piece:
                yield piece


def _inflate() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)


@contextmanager
def _new_file(path: Path) -> Iterator[Callable[[bytes], int]]:
    with path.open("wb") as file:
        yield file.write


def file_name(disposition: str) -> str | None:
    """The file name of a Content-Disposition: no folders, nothing that cannot be seen."""
    message = Message()
    message["content-disposition"] = re.sub(r"[\r\n]", " ", disposition)
    try:
        given = message.get_filename() or ""
    except (TypeError, ValueError):  # what Python makes of some malformed ones
        return None
    name = re.split(r"[/\\]", given)[-1]
    seen = printable(name).strip(" .")
    return seen[:LONGEST_NAME] or None
