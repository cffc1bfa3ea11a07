"""A site with the shapes that pages have in the world, over real HTTP on loopback."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)

from tests.doubles.server import Double

WORDS = " ".join(f"Sentence {n} says something about boats and tides." for n in range(40))
MEGABYTE = 1_000_000

ARTICLE = f"""<!doctype html>
<html lang="en-GB"><head>
<title>How boats float | Harbour Notes</title>
<meta property="og:title" content="How boats float">
<meta property="og:description" content="About water &amp; wood.">
<meta property="og:site_name" content="Harbour Notes">
<meta property="og:image" content="/boat.png">
<meta name="author" content="Tomas Reyes">
<meta property="article:published_time" content="2025-09-03T08:00:00Z">
<link rel="canonical" href="/boats">
</head><body>
<nav><a href="/">Home</a> <a href="/about">About</a></nav>
<article><h1>How boats float</h1><p>{WORDS}</p><p>{WORDS}</p></article>
<footer>Cookies, imprint, newsletter</footer></body></html>"""

LOGIN = """<html><head><title>Sign in</title></head><body>
<form><input name="user"><input type="password" name="pass"><button>Go</button></form>
<p>Please sign in to read on.</p></body></html>"""

ETAG = '"v1"'
LAST_MODIFIED = "Wed, 03 Sep 2025 08:00:00 GMT"


def html(markup: str, headers: Mapping[str, str] | None = None) -> Response:
    """A page."""
    return HTMLResponse(markup, headers=headers)


class Site(Double):
    """Answers by path; what it does not know is not there."""

    def __init__(self) -> None:
        super().__init__()
        self.robots: Response | None = None
        self.seconds_a_byte = 0.05

    @property
    def paths(self) -> list[str]:
        """What was asked for, robots.txt left out, in order."""
        return [seen.path for seen in self.seen if seen.path != "/robots.txt"]

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        if path == "/robots.txt":
            return self.robots or PlainTextResponse("none", 404)
        if path.startswith("/chain/"):
            left = int(path.rpartition("/")[2])
            return RedirectResponse(f"/chain/{left - 1}") if left else html(ARTICLE)
        if path.startswith("/status/"):
            return PlainTextResponse("words of the site", int(path.rpartition("/")[2]))
        answers: dict[str, Callable[[Request], Response]] = {
            "/article": self._article,
            "/circle": lambda _: RedirectResponse("/circle/again"),
            "/circle/again": lambda _: RedirectResponse("/circle"),
            "/cookie": self._cookie,
            "/large": lambda _: StreamingResponse(_zeros(50), media_type="text/html"),
            "/declared": lambda _: Response(b"x", headers={"content-length": str(2 * 10**9)}),
            "/bomb": lambda _: _packed(gzip.compress(bytes(50 * MEGABYTE)), "gzip"),
            "/hollow": lambda _: StreamingResponse(_hollow(), headers={"content-encoding": "gzip"}),
            "/packed": lambda _: _packed(gzip.compress(ARTICLE.encode()), "gzip"),
            "/brotli": lambda _: _packed(b"no one asked for this", "br"),
            "/drip": lambda _: StreamingResponse(self._drip(), media_type="text/html"),
            "/empty": lambda _: Response(b"", media_type="video/mp4"),
            "/video": self._video,
            "/agent": lambda request: PlainTextResponse(str(request.headers.get("user-agent"))),
        }
        return answers[path](request) if path in answers else PlainTextResponse("none", 404)

    def _article(self, request: Request) -> Response:
        asked = request.headers
        if asked.get("if-none-match") == ETAG or asked.get("if-modified-since") == LAST_MODIFIED:
            return Response(status_code=304, headers={"etag": ETAG})
        return html(ARTICLE, {"etag": ETAG, "last-modified": LAST_MODIFIED})

    def _cookie(self, request: Request) -> Response:
        if request.cookies.get("seen"):
            return html(ARTICLE)
        answer = RedirectResponse("/cookie")
        answer.set_cookie("seen", "yes")
        return answer

    def _video(self, _: Request) -> Response:
        name = "attachment; filename*=UTF-8''..%2F..%2Fetc%2Fa%20boat%0A.mp4"
        return Response(
            b"film" * 1000, headers={"content-disposition": name}, media_type="video/mp4"
        )

    async def _drip(self) -> AsyncIterator[bytes]:
        while True:
            yield b"."
            await asyncio.sleep(self.seconds_a_byte)


async def _zeros(megabytes: int) -> AsyncIterator[bytes]:
    for _ in range(megabytes):
        yield bytes(MEGABYTE)


async def _hollow() -> AsyncIterator[bytes]:
    yield gzip.compress(b"little, and then nothing for long")
    async for zeros in _zeros(50):
        yield zeros


def _packed(body: bytes, encoding: str) -> Response:
    return Response(body, headers={"content-encoding": encoding}, media_type="text/html")
