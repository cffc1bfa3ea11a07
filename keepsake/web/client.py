"""The guarded client: every address that a user, a page or a redirect names is fetched here.

`network.py` connects only to addresses that `guard.py` lets pass, and each redirect is a request
like the first. What cannot be had becomes one of `keepsake.errors`, whose message names the host
and never the whole address. What a site may be asked, and when, is decided in `robots.py` and
`hosts.py`; what a response holds in `answer.py`; what a page says is read in the worker pool,
by `page.py`.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import httpcore2
from httpx2 import URL, Cookies, Headers, InvalidURL, Request, Response

from keepsake.database import Pool
from keepsake.errors import PermanentError, RetryableError
from keepsake.pipeline.limits import FairSemaphore
from keepsake.settings import WebSettings
from keepsake.web.answer import PIECE, Answer, Downloaded, Fetched, TooLarge
from keepsake.web.guard import Guard, checked_url
from keepsake.web.hosts import Turns
from keepsake.web.network import GuardedBackend, Resolve, resolve, ssl_context
from keepsake.web.robots import MAX_BYTES as ROBOTS_BYTES
from keepsake.web.robots import Robots
from keepsake.worker_pool import WorkerPool

__all__ = ["Downloaded", "Fetched", "TooLarge", "Web", "open_web"]

T = TypeVar("T")

MOST_REDIRECTS = 5
CONNECT_SECONDS = 10.0
IDLE_SECONDS = 10.0  # a connection is kept for the next request to its host so long

_REDIRECTS = {301, 302, 303, 307, 308}
_FILES = ("audio/", "image/", "video/")


class Web:
    """Fetches what others name."""

    def __init__(
        self, settings: WebSettings, pool: Pool, workers: WorkerPool, resolve: Resolve
    ) -> None:
        self._settings = settings
        self._resolve = resolve
        self._places = FairSemaphore(settings.web_concurrency)
        self._turns = Turns(pool, settings.web_host_interval)
        self._robots = Robots(self._robots_txt, workers, settings.web_user_agent)

    async def download(self, url: str, path: Path, *, max_bytes: int, seconds: float) -> Downloaded:
        """Stream a response to the file `path`, which after a failure may hold a part of it.

        Args:
            url: what to fetch; redirects are followed.
            path: the file, made or written over.
            max_bytes: the largest body.
            seconds: how long everything may take.

        Raises:
            AddressRefused: the address, or one it redirects to, may not be fetched.
            PermanentError: it cannot be had: not there, not for us, too large, no such host.
            RateLimited: the site asks us to slow down.
            RetryableError: it cannot be had now: errors of the server, no connection, too slow,
                nothing in it.
        """

        async def read(answer: Answer) -> Downloaded:
            answer.require()
            return await answer.in_file(path, max_bytes)

        return await self._follow(url, read, {"Accept-Encoding": "identity"}, seconds)

    async def page(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched:
        """Fetch a page as its site likes it: as robots.txt has it, and not too often.

        Of a film, a recording or a picture only the beginning is read, whatever its size: a page
        of it is no more than its address and its type.

        Args:
            url: the page; redirects are followed, each in its turn.
            etag: what an earlier response had; if the page is still the same, the status is 304
                and the body is empty.
            last_modified: the same.

        Raises:
            StepError: as `download`; robots.txt does not allow us (PermanentError), or too many
                are waiting for this host (RateLimited).
        """
        known = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        # What is beyond ASCII has no one form to be sent in: then the page is asked for in full.
        conditions = {name: value for name, value in known.items() if value and value.isascii()}
        most = self._settings.max_page_mb * 1_000_000

        async def read(answer: Answer) -> Fetched:
            answer.require(*([304] if conditions else []))
            if answer.response.headers.get("content-type", "").lower().startswith(_FILES):
                return await answer.in_memory(PIECE, whole=False)
            return await answer.in_memory(most)

        headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", **conditions}
        seconds = self._settings.web_timeout
        return await self._follow(url, read, headers, seconds, self._in_turn)

    async def close(self) -> None:
        """Close every connection."""
        await self._robots.close()
        if "_connections" in self.__dict__:
            await self._connections.aclose()

    @cached_property
    def _connections(self) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=ssl_context(),
            max_connections=None,
            max_keepalive_connections=self._settings.web_concurrency,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=GuardedBackend(Guard.of(self._settings.web_allow), self._resolve),
        )

    @asynccontextmanager
    async def _in_turn(self, url: URL) -> AsyncIterator[None]:
        """A place among the pages fetched at once; waiting for a turn takes none."""
        delay = await self._robots.check(url) if self._settings.web_robots else 0.0
        await self._turns.wait(url.host, at_least=delay)
        async with self._places:
            yield

    async def _robots_txt(self, url: str) -> tuple[int, bytes]:
        async def read(answer: Answer) -> tuple[int, bytes]:
            body = bytearray()
            await answer.read(body.extend, most=ROBOTS_BYTES, whole=False)
            return answer.response.status_code, bytes(body)

        return await self._follow(url, read, {}, self._settings.web_timeout)

    async def _follow(
        self,
        url: str,
        read: Callable[[Answer], Awaitable[T]],
        headers: Mapping[str, str],
        seconds: float,
        admit: Callable[[URL], AbstractAsyncContextManager[None]] = lambda _: nullcontext(),
    ) -> T:
        """What `read` makes of the response at the end of the redirects.

        Every request is made inside `admit`, and all of them together take at most `seconds`.
        Cookies live as long as this call: sites set one and redirect to where it is read.
        """
        target, cookies, clock = checked_url(url), Cookies(), _Clock(seconds)
        seen: set[tuple[URL, str | None]] = set()
        for _ in range(MOST_REDIRECTS + 1):
            request = Request("GET", target, headers=self._headers(headers), cookies=cookies)
            visit = (target, request.headers.get("cookie"))
            if visit in seen:
                raise PermanentError(f"{target.host} redirects in a circle")
            seen.add(visit)
            async with admit(target):
                with said_plainly(target.host, seconds):
                    async with clock.running(), self._asked(request) as answer:
                        location = answer.response.headers.get("location")
                        if answer.response.status_code not in _REDIRECTS or not location:
                            return await read(answer)
            cookies.extract_cookies(answer.response)
            target = _joined(target, location)
        raise PermanentError(f"{target.host} is redirected to more than {MOST_REDIRECTS} times")

    @asynccontextmanager
    async def _asked(self, request: Request) -> AsyncIterator[Answer]:
        url = request.url
        async with self._connections.stream(
            request.method,
            httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            extensions={"timeout": {"connect": CONNECT_SECONDS}},
        ) as raw:
            response = Response(raw.status, headers=raw.headers, request=request)
            yield Answer(url, response, raw)

    def _headers(self, headers: Mapping[str, str]) -> Headers:
        ours = {"User-Agent": self._settings.web_user_agent, "Accept-Encoding": "gzip"}
        return Headers({**ours, **headers})


@asynccontextmanager
async def open_web(
    settings: WebSettings, pool: Pool, workers: WorkerPool, resolve: Resolve = resolve
) -> AsyncIterator[Web]:
    """A client for the length of the block. It connects to nothing before it is used."""
    web = Web(settings, pool, workers, resolve)
    try:
        yield web
    finally:
        await web.close()


class _Clock:
    """Seconds that several blocks may take together."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let it run for the length of the block, which ends with TimeoutError at zero."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._left):
                yield
        finally:
            self._left -= time.monotonic() - started


@contextmanager
def said_plainly(host: str, seconds: float) -> Iterator[None]:
    """Say in our words what goes wrong between us and `host`."""
    try:
        yield
    except httpcore2.ConnectTimeout:
        raise RetryableError(f"{host} takes no connection") from None
    except (TimeoutError, httpcore2.TimeoutException):
        raise RetryableError(f"{host} took longer than {seconds:g} s") from None
    except httpcore2.ConnectError as error:
        if isinstance(error.__context__, ssl.SSLError):  # its cause is lost on the way
            raise RetryableError(f"no secure connection to {host}: its certificate?") from None
        raise RetryableError(f"{host} takes no connection") from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError):
        raise RetryableError(f"the connection to {host} broke off") from None


def _joined(url: URL, location: str) -> URL:
    """Where a redirect leads, checked like an address that a user gave."""
    try:
        return checked_url(str(url.join(location)))
    except (InvalidURL, ValueError):
        raise PermanentError(f"{url.host} redirects to what is no address") from None
