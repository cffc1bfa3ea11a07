"""Cobalt, a server of the operator's own that finds the media behind a link: versions 7, 10 and 11.

Its protocol, and what its answers mean in the words of `keepsake.errors`, belong here. Which links
are worth asking about, and whether a file is what it should be, is the step's business.

Cobalt may be in a private network and is asked directly. An address that it hands out is either
a tunnel of its own, or a foreign one: that one goes through the guarded client.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
from pydantic import BaseModel, Field, ValidationError

from keepsake.clients.failures import in_words
from keepsake.errors import (
    EndpointDown,
    PermanentError,
    RateLimited,
    RetryableError,
    StepError,
    Unreachable,
)
from keepsake.pipeline.limits import EndpointLimiter, FairSemaphore
from keepsake.settings import MediaSettings
from keepsake.web.answer import Downloaded, file_name
from keepsake.web.retry_after import retry_after

if TYPE_CHECKING:
    from keepsake.web.client import Web

CONNECT_SECONDS, ASK_SECONDS = 10.0, 60.0
LATER = 6 * 3600.0  # seconds until what a service refuses today may go: a live stream, a log-in
MOST_BODY = 1024  # bytes that Cobalt reads of a request
JSON_ONLY = {"Accept": "application/json", "Content-Type": "application/json"}  # it takes no other

# Codes, without their "error.api.". What is in none of these is worth another try soon.
_NO_POST = "link.unsupported"  # a channel, a profile, a front page of a service that it knows
_LATER = (
    "content.video.live",
    "youtube.login",
    "youtube.token_expired",
    "youtube.api_error",
    "youtube.decipher",
    "youtube.no_hls_streams",
    "youtube.no_session_tokens",
)
_PERMANENT = ("link.", "service.", "content.", "youtube.")
_TOO_FAST = ("rate_exceeded", "capacity", "fetch.rate")
_CODE = re.compile(r"[a-z0-9_.]{1,60}")
_MEND = "is it up, and is COBALT_URL right?"
_GATEWAY = {502, 503, 504}  # what is in front of Cobalt does not reach it


@dataclass(frozen=True)
class Server:
    """What a Cobalt says of itself. Version 7 names no services."""

    version: str
    old: bool  # speaks the protocol of version 7
    services: tuple[str, ...]
    address: str  # what it believes its own to be


@dataclass(frozen=True)
class Offer:
    """A file that Cobalt offers for a link, for 90 seconds or so: its addresses are never stored.

    `link` and `position` say how to ask for the same file again.
    """

    link: str
    position: int
    name: str  # empty: the download may give it
    url: str
    tunnel: str | None  # where Cobalt itself serves it, None for a file elsewhere


class _Item(BaseModel):
    url: str


class _Context(BaseModel):
    limit: float | None = None


class _Error(BaseModel):
    code: str
    context: _Context | None = None


class _Answer(BaseModel):
    """Both protocols in one. Version 7 says `stream` for a tunnel and gives no codes."""

    status: str
    url: str | None = None
    filename: str = ""
    picker: list[_Item] = []
    audio: Any = None  # an address; false in version 7; an object in what we do not take
    audio_filename: str = Field("", alias="audioFilename")
    error: _Error | None = None

    @property
    def code(self) -> str:
        """The error's code, when it looks like one: it is stored and shown."""
        code = self.error.code.removeprefix("error.api.") if self.error else ""
        return code if _CODE.fullmatch(code) else "no code"


class _TunnelGone(RetryableError):
    """Cobalt does not know the tunnel that it has just named."""


class Cobalt:
    """The Cobalt that `COBALT_URL` names. `open_cobalt()` makes it.

    Attributes:
        limiter: passes each call to it, and refuses all once it is down.
        places: to be held from asking to the last byte, so that no tunnel expires while others are
            downloaded.
    """

    def __init__(self, settings: MediaSettings, web: "Web") -> None:
        self.limiter = EndpointLimiter("cobalt", settings.cobalt_concurrency)
        self.places = FairSemaphore(settings.cobalt_concurrency)
        self._base = settings.cobalt_url.rstrip("/")
        self._key = settings.cobalt_api_key.get_secret_value()
        self._most_bytes = settings.max_media_mb * 1_000_000
        self._seconds = settings.media_timeout
        self._web = web
        self._client: httpx2.AsyncClient | None = None
        self._server: Server | None = None
        self._probing = asyncio.Lock()

    async def server(self) -> Server:
        """Which Cobalt answers. It is asked once.

        Raises:
            StepError: none does.
        """
        async with self._probing:
            if self._server is None:
                self._server = await self._probe()
            return self._server

    async def check(self) -> Server:
        """Which Cobalt answers, once it has read a request of ours and taken our key.

        Raises:
            StepError: saying what does not work and which setting to check.
        """
        await self._ask("")  # it says that a link is missing, after all else
        return await self.server()

    async def media(self, url: str) -> list[Offer]:
        """The files behind a link, in the order of the post; none where the link is no post's.

        Raises:
            PermanentError: Cobalt knows no media there, or none that we may have.
            RetryableError: it may have another time; `retry_after` says hours where it takes hours.
            StepError: Cobalt itself is unwell.
        """
        answer = await self._ask(url)
        if answer.code == _NO_POST:
            return []
        if answer.status == "error":
            raise _refusal(answer.code)
        files = _files(answer)
        if not files:
            raise RetryableError("Cobalt answered with no file")
        address = (await self.server()).address
        return [
            Offer(url, position, name, file, self._own(file, address))
            for position, (file, name) in enumerate(files)
        ]

    async def fetch(self, offer: Offer, path: Path) -> Downloaded:
        """Download what was offered a moment ago to `path`.

        Raises:
            PermanentError: it is larger than `MAX_MEDIA_MB`, or its address is none to go to.
            RetryableError: nothing came, or not all of it: ask again.
            StepError: Cobalt itself is unwell.
        """
        try:
            return await self._download(offer, path)
        except _TunnelGone:  # it may hand out an address before it can serve it
            again = await self.media(offer.link)
            if offer.position >= len(again):
                raise
            return await self._download(again[offer.position], path)

    async def close(self) -> None:
        """Close the connections that were opened."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _probe(self) -> Server:
        async with self._call(ASK_SECONDS) as client:
            # Version 10 and later lead from here to their own `/`.
            response = await client.get(f"{self._base}/api/serverInfo", follow_redirects=True)
            _require_health(response)
            return _read_server(response)

    async def _ask(self, url: str) -> _Answer:
        """Cobalt's answer about a link. Raises only what is Cobalt's own trouble, or too long."""
        path, asked = _question(await self.server(), url)
        body = json.dumps(asked, ensure_ascii=False).encode()
        if len(body) > MOST_BODY:
            raise PermanentError(f"the link is too long for Cobalt, which reads {MOST_BODY} bytes")
        headers = JSON_ONLY | ({"Authorization": f"Api-Key {self._key}"} if self._key else {})
        async with self._call(ASK_SECONDS) as client:
            response = await client.post(self._base + path, content=body, headers=headers)
            try:
                answer = _Answer.model_validate_json(response.content)
            except ValidationError:
                _require_health(response)
                raise RetryableError(
                    "Cobalt answered with something else than its protocol: is COBALT_URL right?"
                ) from None
            _require_service(answer, response)
        return answer

    async def _download(self, offer: Offer, path: Path) -> Downloaded:
        if offer.tunnel is not None:
            done = await self._from_tunnel(offer, offer.tunnel, path)
        else:
            done = await self._web.download(
                offer.url, path, max_bytes=self._most_bytes, seconds=self._seconds
            )
        if not done.size:  # Cobalt's way to say that a service closed the door
            raise RetryableError("the download came to its end without a single byte")
        return done

    async def _from_tunnel(self, offer: Offer, tunnel: str, path: Path) -> Downloaded:
        async with (
            self._call(self._seconds) as client,
            client.stream("GET", tunnel) as response,
        ):
            if response.status_code == 404:
                raise _TunnelGone("Cobalt no longer knows the tunnel that it opened (404)")
            _require_health(response)
            if not response.is_success:
                raise RetryableError(f"Cobalt opens no tunnel ({response.status_code})")
            self._require_size(int(response.headers.get("content-length", 0)))
            size, sha256 = await self._write(response, path)
        return Downloaded(
            url=tunnel,
            content_type=response.headers.get("content-type", ""),
            size=size,
            sha256=sha256,
            name=offer.name or file_name(response.headers.get("content-disposition", "")),
        )

    async def _write(self, response: httpx2.Response, path: Path) -> tuple[int, str]:
        """Stream a body to a file; its size and checksum.

        A body shorter than its Content-Length, or that lacks its last chunk, is an error of the
        HTTP library already. An Estimated-Content-Length is only that.
        """
        size, checksum = 0, hashlib.sha256()
        with await asyncio.to_thread(path.open, "wb") as file:
            async for block in response.aiter_bytes():
                size += len(block)
                self._require_size(size)
                checksum.update(block)
                file.write(block)
        return size, checksum.hexdigest()

    def _own(self, url: str, address: str) -> str | None:
        """`url` as we reach it, when it is Cobalt's: it may know itself by another name than we."""
        if _origin(url) == _origin(self._base):
            return url
        if _origin(url) == _origin(address):
            parts = urlsplit(url)
            return f"{self._base}{parts.path}?{parts.query}"
        return None

    def _require_size(self, size: int) -> None:
        if size > self._most_bytes:
            most = self._most_bytes // 1_000_000
            raise PermanentError(f"the file has more than {most} MB (MAX_MEDIA_MB)")

    @asynccontextmanager
    async def _call(self, seconds: float) -> AsyncIterator[httpx2.AsyncClient]:
        """One exchange with Cobalt, through its limiter, within so many seconds."""
        if self._client is None:
            timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
            self._client = httpx2.AsyncClient(timeout=timeout)
        async with self.limiter:
            try:
                async with asyncio.timeout(seconds):
                    yield self._client
            except TimeoutError:
                raise RetryableError(f"Cobalt was not done within {seconds:g} s") from None
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                raise Unreachable(f"no connection to Cobalt ({in_words(error)}): {_MEND}") from None
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                # Not chained: its message may hold the address.
                raise RetryableError(
                    f"the connection to Cobalt failed ({in_words(error)})"
                ) from None


@asynccontextmanager
async def open_cobalt(settings: MediaSettings, web: "Web") -> AsyncIterator[Cobalt]:
    """The Cobalt that `settings` name, closed at the end of the block.

    Nothing is connected before the first call. `web` is the guarded client, for foreign addresses.
    """
    cobalt = Cobalt(settings, web)
    try:
        yield cobalt
    finally:
        await cobalt.close()


def _question(server: Server, url: str) -> tuple[str, dict[str, Any]]:
    """Path and body of a request: only keys that every version of the protocol knows."""
    if server.old:
        return "/api/json", {"url": url, "filenamePattern": "basic"}
    return "/", {"url": url, "filenameStyle": "basic", "downloadMode": "auto"}


def _read_server(response: httpx2.Response) -> Server:
    """What the answer to the probe says: under `cobalt` from version 10 on, plainly before."""
    try:
        said = response.json()
        about = said.get("cobalt", said)
        version = str(about["version"])
        return Server(
            version=version,
            old=int(version.partition(".")[0]) < 10,
            services=tuple(map(str, about.get("services", ()))),
            address=str(about.get("url", "")),
        )
    except (ValueError, KeyError, AttributeError, TypeError):
        raise EndpointDown(f"no Cobalt answers at COBALT_URL: {_MEND}", role="cobalt") from None


def _require_health(response: httpx2.Response) -> None:
    """Raises what an HTTP status means that comes without an answer of Cobalt's."""
    status = response.status_code
    if status == 429:
        raise RateLimited("Cobalt asks us to slow down (429)", retry_after=_retry_after(response))
    if status in _GATEWAY:
        raise Unreachable(f"Cobalt is not reached by what stands before it ({status})")
    if status >= 500:
        raise RetryableError(f"Cobalt failed ({status})")
    if status in (401, 403):
        raise EndpointDown(f"Cobalt refuses us ({status}): check COBALT_API_KEY", role="cobalt")


def _require_service(answer: _Answer, response: httpx2.Response) -> None:
    """Raises when an answer is about Cobalt or about us, whatever the link."""
    code = answer.code
    if code.startswith(_TOO_FAST) or answer.status == "rate-limit":
        limit = answer.error.context.limit if answer.error and answer.error.context else None
        wait = _retry_after(response) or limit
        raise RateLimited(f"Cobalt asks us to slow down ({code})", retry_after=wait)
    if code.startswith("auth."):
        raise EndpointDown(f"Cobalt refuses our key ({code}): check COBALT_API_KEY", role="cobalt")
    if code.startswith("header."):
        raise EndpointDown(
            f"our headers do not reach Cobalt as we send them ({code}): "
            "check what stands between, and COBALT_URL",
            role="cobalt",
        )
    if code == "invalid_body":
        # Another protocol, then the limiter refuses after a few; or an odd link, which fails
        # alone and takes no other with it.
        raise RetryableError("Cobalt does not take our request (invalid_body): is it v7, 10 or 11?")


def _refusal(code: str) -> StepError:
    """What an error code about a link means. Version 7 gives none."""
    if code.startswith(_LATER):
        return RetryableError(f"the service does not let Cobalt in yet ({code})", retry_after=LATER)
    if code.startswith(_PERMANENT):
        return PermanentError(f"Cobalt gets no media from the link ({code})")
    return RetryableError(f"Cobalt did not get the media ({code})")


def _files(answer: _Answer) -> list[tuple[str, str]]:
    """Address and name of each file of an answer, in order."""
    if answer.status == "local-processing":
        raise PermanentError(
            "Cobalt wants its client to put the file together (local-processing), which is not "
            "done here: set FORCE_LOCAL_PROCESSING to `never` where Cobalt runs"
        )
    files = [(item.url, "") for item in answer.picker]
    if answer.url:
        files.append((answer.url, answer.filename))
    if isinstance(answer.audio, str) and answer.audio:
        files.append((answer.audio, answer.audio_filename))
    return files


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of an address; empty for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", None, None
    return parts.scheme, parts.hostname, port


def _retry_after(response: httpx2.Response) -> float | None:
    """Seconds until Cobalt takes the next request, if it says so."""
    reset = response.headers.get("ratelimit-reset", "")
    return float(reset) if reset.isdigit() else retry_after(response.headers)
