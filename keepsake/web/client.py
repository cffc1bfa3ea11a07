"""The guarded client: every address that a user, a page or a redirect names is fetched here.

It resolves first, checks every address of the host, and connects to the one it checked; a second
resolution could give another (DNS rebinding). Each redirect is checked anew. Sizes are counted
after decompression, as the bytes come. What cannot be had becomes one of `keepsake.errors`, whose
message names the host and never the whole address.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from keepsake.database import Pool
from keepsake.settings import Settings


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


class Web:
    """Fetches what others name."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
    ) -> Fetched:
        """Fetch a response into memory."""
        raise NotImplementedError

    async def download(
        self,
        url: str,
        path: Path,
        *,
        max_bytes: int,
        seconds: float,
        headers: Mapping[str, str] | None = None,
    ) -> Downloaded:
        """Stream a response to the file `path`."""
        raise NotImplementedError

    async def page(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched:
        """Fetch a page as a polite visitor."""
        raise NotImplementedError


@asynccontextmanager
async def open_web(settings: Settings, pool: Pool) -> AsyncIterator[Web]:
    """A client for the length of the block."""
    yield Web(settings, pool)
