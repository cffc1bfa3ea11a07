"""Sends small JSON to the API from a process of its own, and says how long each answer took.

Over connections that are kept, by hand: a client library would take more of the two processors than
the server that is measured.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import uvloop

CONNECTIONS = 16


def _body(path: str, number: int) -> bytes:
    if path.endswith("bookmarks"):
        body: dict[str, Any] = {
            "platform": "web",
            "url": f"https://example.org/pages/{number}",
            "content": f"What page {number} says of the tides and of those who wait for them.",
        }
    else:
        body = {
            "member": "Rosa",
            "recorded_at": "2026-05-04T12:00:00Z",
            "text": f"Winter {number}: we carried the bread home before the snow came.",
        }
    return json.dumps(body).encode()


def _requests(url: str, path: str, token: str, numbers: range) -> Iterator[bytes]:
    for number in numbers:
        body = _body(path, number)
        yield (
            f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


async def _send(url: str, waiting: Iterator[bytes], took: list[float]) -> int:
    """Send one request after the other; returns how many were not answered with 201."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    errors = 0
    for request in waiting:
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - started)
        errors += not head.startswith(b"HTTP/1.1 201 ")
    writer.close()
    return errors


async def _run(url: str, path: str, token: str, first: int, count: int) -> dict[str, Any]:
    waiting = iter(list(_requests(url, path, token, range(first, first + count))))
    took: list[float] = []
    started = time.perf_counter()
    errors = await asyncio.gather(*(_send(url, waiting, took) for _ in range(CONNECTIONS)))
    seconds = time.perf_counter() - started
    took.sort()
    return {
        "a_second": count / seconds,
        "errors": sum(errors),
        **{f"p{part}": took[int(len(took) * part / 100)] * 1000 for part in (50, 95, 99)},
    }


if __name__ == "__main__":
    url, path, token, first, count = sys.argv[1:]
    print(json.dumps(uvloop.run(_run(url, path, token, int(first), int(count)))))
