"""A player that behaves like AntennaPod: asks only for what is new, goes on where it broke off.

As its downloader does: a feed with If-None-Match and If-Modified-Since; an episode's size by HEAD;
an episode in one GET, and after a break a GET with Range and If-Range, whose answer it appends if
it is partial and begins the file again with if it is not.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import feedparser
import httpx


@dataclass
class Player:
    """A listener's app. `public` is what addresses begin with, `local` where the server is."""

    public: str
    local: str
    client: httpx.Client = field(
        default_factory=lambda: httpx.Client(
            headers={"User-Agent": "AntennaPod/3.10.0"}, timeout=20
        )
    )
    _known: dict[str, dict[str, str]] = field(default_factory=dict)

    def get(self, address: str, **headers: str) -> httpx.Response:
        """Ask for an address."""
        return self.client.get(self._here(address), headers=headers)

    def head(self, address: str) -> httpx.Response:
        """Ask what is at an address."""
        return self.client.head(self._here(address))

    def refresh(self, address: str) -> Any | None:
        """The feed, parsed; None: it has not changed since the last time."""
        answer = self.get(address, **self._known.get(address, {}))
        if answer.status_code == 304:
            return None
        answer.raise_for_status()
        self._known[address] = {
            "If-None-Match": answer.headers["ETag"],
            "If-Modified-Since": answer.headers["Last-Modified"],
        }
        feed = feedparser.parse(answer.content)
        assert not feed.bozo, feed.get("bozo_exception")
        return feed

    def download(self, address: str, path: Path, *, breaks_off_after: int | None = None) -> bool:
        """Load an episode, from where the file ends. Returns whether it went on with it."""
        size = int(self.head(address).headers["Content-Length"])
        have = path.stat().st_size if path.exists() else 0
        headers = {}
        if have:
            headers = {"Range": f"bytes={have}-", "If-Range": self._known[address]["ETag"]}
        with self.client.stream("GET", self._here(address), headers=headers) as answer:
            answer.raise_for_status()
            went_on = answer.status_code == 206
            if went_on:
                assert answer.headers["Content-Range"] == f"bytes {have}-{size - 1}/{size}"
            self._known[address] = {"ETag": answer.headers["ETag"]}
            self._write(answer, path, "ab" if went_on else "wb", breaks_off_after)
        return went_on

    @staticmethod
    def _write(answer: httpx.Response, path: Path, mode: str, most: int | None) -> None:
        with path.open(mode) as file:
            for piece in answer.iter_raw(16_384):
                file.write(piece)
                if most is not None and file.tell() >= most:
                    return

    def _here(self, address: str) -> str:
        assert address.startswith(self.public), address
        return self.local + address.removeprefix(self.public)
