"""A Cobalt that is as strict as the real one, of version 11 (which 10 is like) or 7.

What stands behind a link a test says with `shows(...)`. Tunnels are opened anew for every request,
and may go wrong in the ways that the real ones do.
"""

import json
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import av
import numpy as np
from av.video.frame import VideoFrame
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from tests.doubles.server import Double
from tests.recordings import record, tone

KEY = "c0ba17c0-ba17-4c0b-a17c-0ba17c0ba17c"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(200) + b"\xff\xd9"

BOOLEAN = {True, False}
V10 = {
    "url": None,
    "audioBitrate": {"320", "256", "128", "96", "64", "8"},
    "audioFormat": {"best", "mp3", "ogg", "wav", "opus"},
    "downloadMode": {"auto", "audio", "mute"},
    "filenameStyle": {"classic", "pretty", "basic", "nerdy"},
    "videoQuality": {"max", "2160", "1440", "1080", "720", "480", "360", "240", "144"},
    "alwaysProxy": BOOLEAN,
    "disableMetadata": BOOLEAN,
    "tiktokFullAudio": BOOLEAN,
}
SCHEMAS: dict[int, dict[str, set[Any] | None]] = {
    10: {**V10, "twitterGif": BOOLEAN, "tiktokH265": BOOLEAN},
    11: {**V10, "convertGif": BOOLEAN, "localProcessing": {"disabled", "preferred", "forced"}},
}
V7_KEYS = {"url", "vCodec", "vQuality", "aFormat", "filenamePattern", "isAudioOnly"}

_JSON = re.compile(r"application/json(; charset=utf-8)?")
_numbers = count(1)


@cache
def song() -> bytes:
    """A second of sound, as mp3."""
    with TemporaryDirectory() as folder:
        return record(tone(1), Path(folder) / "a.mp3", codec="libmp3lame").read_bytes()


@cache
def film(brightness: int = 0) -> bytes:
    """A second of film without sound, as mp4."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width = stream.height = 64
            picture = np.full((64, 64, 3), brightness, np.uint8)
            for _ in range(10):
                container.mux(stream.encode(VideoFrame.from_ndarray(picture, "rgb24")))
            container.mux(stream.encode(None))
        return path.read_bytes()


@dataclass(frozen=True)
class Shown:
    """A file behind a link: bytes that Cobalt passes on, or an address elsewhere."""

    data: bytes = b""
    name: str = "A clip.mp4"
    type: str = "video"
    elsewhere: str | None = None


class Cobalt(Double):
    """Knows the links that it was told of. `trouble` happens to the next tunnels, in turn.

    Args:
        version: what it says of itself; 7, 10 or 11.
        key: the key that it asks for, if any.

    Attributes:
        address: where it is served; to be set.
        calls_itself: where it believes to be served; its address, unless a test says otherwise.
        requests_left: of this minute.
    """

    def __init__(self, version: str = "11.7.1", key: str | None = None) -> None:
        super().__init__()
        self.address = self.calls_itself = ""
        self.requests_left = 1000
        self.trouble: deque[str] = deque()
        self._version = version
        self._key = key
        self._links: dict[str, dict[str, Any] | list[Shown]] = {}
        self._tunnels: dict[str, Shown] = {}

    @property
    def major(self) -> int:
        return int(self._version.partition(".")[0])

    @property
    def posts(self) -> list[Any]:
        """What it was asked, in order."""
        return [seen.json for seen in self.seen if seen.body]

    @property
    def downloads(self) -> int:
        """How often a tunnel was asked for."""
        return sum(seen.path.startswith(("/tunnel", "/api/stream")) for seen in self.seen)

    def shows(self, link: str, *files: Shown) -> None:
        """Show these behind a link: one as a tunnel or a redirect, several as a picker."""
        self._links[link] = list(files)

    def says(self, link: str, answer: dict[str, Any]) -> None:
        """Answer so when asked about a link."""
        self._links[link] = answer

    def refuses(self, link: str, code: str) -> None:
        """Answer with this error when asked about a link; version 7 has none but words."""
        error = {"code": f"error.api.{code}", "context": {"service": "youtube"}}
        words = {"status": "error", "text": "secret words"}
        self.says(link, words if self.major < 10 else {"status": "error", "error": error})

    async def answer(self, request: Request) -> Response:
        if request.url.path == ("/tunnel" if self.major >= 10 else "/api/stream"):
            return self._tunnel(request)
        return await (self._now(request) if self.major >= 10 else self._then(request))

    async def _now(self, request: Request) -> Response:
        if request.method == "GET" and request.url.path == "/":
            about = {"version": self._version, "url": self.calls_itself or self.address}
            services = ["bilibili", "tiktok", "youtube"]
            return JSONResponse({"cobalt": {**about, "services": services}, "git": {}})
        if request.method == "GET":
            return RedirectResponse("/", 302)
        return (
            self._headers_refused(request)
            or self._too_fast({"code": "error.api.rate_exceeded", "context": {"limit": 60}})
            or self._read(await request.body())
        )

    def _headers_refused(self, request: Request) -> Response | None:
        for name, code in (("accept", "accept"), ("content-type", "content_type")):
            if not _JSON.fullmatch(request.headers.get(name, "")):
                return refusal(f"header.{code}")
        given = request.headers.get("authorization")
        if self._key and given is None:
            return refusal("auth.key.missing")
        if self._key and given != f"Api-Key {self._key}":
            return refusal("auth.key.not_found")
        return None

    def _too_fast(self, error: Any) -> Response | None:
        self.requests_left -= 1
        if self.requests_left >= 0:
            return None
        headers = {
            "RateLimit-Policy": "20;w=60",
            "RateLimit-Limit": "20",
            "RateLimit-Remaining": "0",
            "RateLimit-Reset": "41",
        }
        body = {"status": "error", "error": error} if error else {"status": "rate-limit"}
        return JSONResponse(body, 429, headers)

    def _read(self, body: bytes) -> Response:
        if len(body) > 1024:
            return refusal("invalid_body")
        asked = json.loads(body)
        if not asked.get("url"):
            return refusal("link.missing")
        schema = SCHEMAS[self.major]
        for key, value in asked.items():
            if key not in schema or ((values := schema[key]) and value not in values):
                return refusal("invalid_body")
        return self._found(asked["url"], self._picked)

    async def _then(self, request: Request) -> Response:
        if request.method == "GET" and request.url.path == "/api/serverInfo":
            return JSONResponse({"version": self._version, "url": self.address, "cors": 1})
        if request.method != "POST" or request.url.path != "/api/json":
            return RedirectResponse("/", 302)
        if request.headers.get("accept") != "application/json":
            return JSONResponse({"status": "error", "text": "accept header missing"}, 400)
        asked = await request.json()
        if set(asked) - V7_KEYS or not asked["url"]:
            return JSONResponse({"status": "error", "text": "secret words"}, 400)
        return self._too_fast(None) or self._found(asked["url"], self._picked_then)

    def _found(self, link: str, picked: Callable[[list[Shown]], dict[str, Any]]) -> Response:
        known = self._links.get(link)
        if known is None:
            self.refuses(link, "link.unsupported")
            known = self._links.pop(link)
        if isinstance(known, dict):
            bad = 500 if "critical" in str(known) else 400
            return JSONResponse(known, bad if known["status"] == "error" else 200)
        if len(known) > 1:
            return JSONResponse(picked(known))
        (file,) = known
        status = "redirect" if file.elsewhere else ("stream" if self.major < 10 else "tunnel")
        named = {"filename": file.name} if self.major >= 10 else {}
        return JSONResponse({"status": status, "url": self._open(file), **named})

    def _picked(self, files: list[Shown]) -> dict[str, Any]:
        items = [
            {"type": file.type, "url": self._open(file), "thumb": "http://127.0.0.1:1/thumb"}
            for file in files
            if file.type != "audio"
        ]
        answer: dict[str, Any] = {"status": "picker", "picker": items}
        for file in files:
            if file.type == "audio":
                answer |= {"audio": self._open(file), "audioFilename": file.name}
        return answer

    def _picked_then(self, files: list[Shown]) -> dict[str, Any]:
        return {"pickerType": "various", "audio": False, **self._picked(files)}

    def _open(self, file: Shown) -> str:
        """The address of a file: elsewhere, or a tunnel that was not there before."""
        if file.elsewhere:
            return file.elsewhere
        name = f"{next(_numbers):021}"
        self._tunnels[name] = file
        base = self.calls_itself or self.address
        if self.major < 10:
            return f"{base}/api/stream?t={name}"
        return f"{base}/tunnel?id={name}&exp=1234567890123&sig={'s' * 43}"

    def _tunnel(self, request: Request) -> Response:
        file = self._tunnels.get(request.query_params.get("id" if self.major >= 10 else "t", ""))
        if file is None:
            return Response(status_code=404)
        named = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}"}
        troubles = {
            "empty": Response(b"", headers=named),
            "gone": Response(status_code=404),
            "too fast": Response(status_code=429, headers={"RateLimit-Reset": "17"}),
            "failed": Response(status_code=500),
            "broken": _Streamed(file.data[: len(file.data) // 2], breaks_off=True),
            "short": _Streamed(file.data[:100], breaks_off=True, length=len(file.data)),
            "huge": _Streamed(b"", breaks_off=True, length=2_000_000_000),
            "endless": _Streamed(bytes(1_100_000)),
            "estimated": _Streamed(file.data, headers={"Estimated-Content-Length": "7"}),
        }
        if self.trouble:
            return troubles[self.trouble.popleft()]
        return Response(file.data, headers=named)


class _Streamed(Response):
    """A body without a length, or with one that it need not keep."""

    def __init__(
        self,
        data: bytes,
        *,
        breaks_off: bool = False,
        length: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        if length is not None:
            self.headers["content-length"] = str(length)
        self._data = data
        self._breaks_off = breaks_off

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        await send({"type": "http.response.body", "body": self._data, "more_body": True})
        if self._breaks_off:
            raise ConnectionResetError
        await send({"type": "http.response.body", "body": b""})


def refusal(code: str, status: int = 400) -> Response:
    """An error of version 10 and 11."""
    return JSONResponse(
        {"status": "error", "error": {"code": f"error.api.{code}"}}, status_code=status
    )
