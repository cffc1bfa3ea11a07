"""A site of articles whose every answer takes a tenth of a second, and which counts them.

It runs in a process of its own (`python -m benchmarks.pages --port N`), takes any number of
requests at once, and says how many there were: `GET /stats`, `POST /reset`.
"""

import argparse
import asyncio
from collections import Counter

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from benchmarks.site import memory_text

LATENCY = 0.1  # seconds
PARAGRAPHS = 6  # of about a hundred words
_SYLLABLES = ("ka", "mo", "ru", "ti", "se", "no", "la", "pe", "du", "vi")
_LINKS = "".join(f'<li><a href="/{number}">An older story</a></li>' for number in range(40))


def build_app() -> Starlette:
    """The site. A page is known by its number."""
    asked: Counter[str] = Counter()

    async def page(request: Request) -> Response:
        asked["pages"] += 1
        await asyncio.sleep(LATENCY)
        return HTMLResponse(article(request.path_params["number"]))

    async def robots(_: Request) -> Response:
        asked["robots"] += 1
        await asyncio.sleep(LATENCY)
        return PlainTextResponse("User-agent: *\nDisallow: /private/\n")

    async def stats(_: Request) -> Response:
        return JSONResponse(asked)

    async def reset(_: Request) -> Response:
        asked.clear()
        return Response()

    return Starlette(
        routes=[
            Route("/robots.txt", robots),
            Route("/stats", stats),
            Route("/reset", reset, methods=["POST"]),
            Route("/{number:int}", page),
        ]
    )


def article(number: int) -> str:
    """A page as sites have them: its text among links; each is about a place of its own."""
    place = "".join(_SYLLABLES[int(digit)] for digit in f"{number:04}").title()
    title = f"Letters from {place}"
    text = "".join(f"<p>{memory_text(PARAGRAPHS * number + at)}</p>" for at in range(PARAGRAPHS))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} | The Village Paper</title>
<meta property="og:title" content="{title}">
<meta property="og:site_name" content="The Village Paper">
<meta name="author" content="Rosa Moreno">
<meta property="article:published_time" content="2025-09-03T08:00:00Z">
</head><body><header><nav><ul>{_LINKS}</ul></nav></header>
<main><article><h1>{title}</h1>{text}</article></main>
<aside><ul>{_LINKS}</ul></aside><footer>Imprint, privacy, newsletter</footer></body></html>"""


def main() -> None:
    """Serve on the port of the command line until it is stopped."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    port = parser.parse_args().port
    uvicorn.run(
        build_app(), host="127.0.0.1", port=port, access_log=False, log_level="warning"
    )  # fmt: skip


if __name__ == "__main__":
    main()
