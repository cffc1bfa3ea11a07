"""500 bookmarks of one site through the bookmarks line, each time in one run in a new process.

As many pages are fetched and as many calls made at once as Keepsake does by default, and
every page takes a tenth of a second. The floor is the time of whatever is busiest: the site, or one
of the model roles. With summaries and keywords that is the chat model, without them the site.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx

from benchmarks.endpoints import LATENCY
from benchmarks.pages import LATENCY as PAGE_SECONDS
from benchmarks.results import Figure
from benchmarks.site import Site, open_site, serving_counted
from keepsake.bookmarks.bookmark import NewBookmark, store
from keepsake.database import connect, open_pool
from keepsake.owners.owners import Owner, add_owner

WARM_UP, DAY, NEXT_DAY = date(2026, 5, 3), date(2026, 5, 4), date(2026, 5, 5)
BOOKMARKS = 500
AT_ONCE = {"pages": 8, "chat": 16, "embeddings": 8}  # what the settings say by themselves
RATIO = 1.25


def run() -> list[Figure]:
    """500 bookmarks, the same again, and 500 others without summaries and keywords."""
    with (
        serving_counted("benchmarks.pages") as pages_url,
        open_site(
            web_allow="127.0.0.1",
            web_host_interval=0.0,
            web_concurrency=AT_ONCE["pages"],
            chat_concurrency=AT_ONCE["chat"],
            embeddings_concurrency=AT_ONCE["embeddings"],
        ) as site,
    ):
        with connect(site.database_url) as connection:
            reader = add_owner(connection, "The Benchmarks")
        shelf = _Shelf(site, reader, pages_url)
        # Dagster makes its tables and Python its bytecode: once, and not what is measured here.
        shelf.add(WARM_UP, range(2 * BOOKMARKS, 2 * BOOKMARKS + 2))
        shelf.run_day(WARM_UP)
        shelf.add(DAY, range(BOOKMARKS))
        took, asked = shelf.run_day(DAY)
        figures = [
            _body(f"{BOOKMARKS} bookmarks: job body", took, asked),
            Figure(
                f"{BOOKMARKS} bookmarks: CPU of the run",
                took["cpu_seconds"] / BOOKMARKS,
                "s a record",
                at_most=0.02,
                note=f"{took['body_cpu_seconds']:.1f} s in the job; reading pages, elsewhere, "
                "is not in it",
            ),
        ]
        took, asked = shelf.run_day(DAY)
        figures += [
            Figure(
                f"the same {BOOKMARKS} again: requests and model calls",
                sum(asked.values()),
                "",
                at_most=0,
                note=_requests(asked),
            ),
            Figure(f"the same {BOOKMARKS} again: job body", took["body_seconds"], "s", at_most=2),
        ]
        shelf.add(NEXT_DAY, range(BOOKMARKS, 2 * BOOKMARKS))
        took, asked = shelf.run_day(NEXT_DAY, "pages", "bookmark_embeddings")
        return [*figures, _body(f"{BOOKMARKS} without summaries: job body", took, asked)]


def _body(name: str, took: dict[str, Any], asked: dict[str, int]) -> Figure:
    floor = _floor(asked)
    seconds = took["body_seconds"]
    return Figure(name, seconds, "s", at_most=RATIO * floor, floor=floor, note=_requests(asked))


@dataclass(frozen=True)
class _Shelf:
    """Who saves bookmarks, and of which site."""

    site: Site
    reader: Owner
    pages_url: str

    def add(self, day: date, pages: range) -> None:
        """Save these pages on a day of the past."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        new = [
            NewBookmark(f"{self.pages_url}/{page}", recorded_at=midnight + timedelta(seconds=at))
            for at, page in enumerate(pages)
        ]

        async def save() -> None:
            async with (
                open_pool(self.site.database_url, size=1) as pool,
                pool.connection() as connection,
                connection.transaction(),
            ):
                await store(connection, self.site.settings, self.reader.id, new)

        asyncio.run(save())

    def run_day(self, day: date, *steps: str) -> tuple[dict[str, Any], dict[str, int]]:
        """What a run took, and how often the site and each model were asked."""
        self.site.forget_calls()
        httpx.post(f"{self.pages_url}/reset").raise_for_status()
        took: dict[str, Any] = self.site.run(
            "benchmarks.run_line", "bookmarks", day.isoformat(), *steps
        )
        calls = {role: count["calls"] for role, count in self.site.model_calls().items()}
        return took, {**httpx.get(f"{self.pages_url}/stats").json(), **calls}


def _floor(asked: dict[str, int]) -> float:
    """Seconds that so many requests and calls take at the least; robots.txt comes first."""
    return max(
        (asked["robots"] + asked["pages"] / AT_ONCE["pages"]) * PAGE_SECONDS,
        asked["chat"] / AT_ONCE["chat"] * LATENCY["chat"],
        asked["embeddings"] / AT_ONCE["embeddings"] * LATENCY["embeddings"],
    )


def _requests(asked: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in asked.items() if count)
