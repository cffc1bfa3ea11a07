"""Bookmarks in the demo: five pages of a small site on loopback, fetched as any page is."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import shorten

from keepsake.bookmarks.views import read_bookmark
from keepsake.database import database_url
from keepsake.demo.show import line
from keepsake.demo.stage import Chapter, Stage
from keepsake.errors import InvalidInput
from keepsake.owners import owners
from keepsake.records.adding import Added
from keepsake.search.search import search_once
from keepsake.text.counted import counted

OWNER = "Ellen"
SEARCH = "when the water is dangerous for walkers"
LABELS = {
    "pages": "fetched and read",
    "summaries": "in two sentences",
    "keywords": "few, and her own first",
    "bookmark_embeddings": "embedded for search",
    "media": "video and audio",
}


@dataclass(frozen=True)
class Saved:
    """A bookmark of the demo: a path of its site, when it was saved, what she tagged it with."""

    path: str
    saved_at: datetime
    tags: tuple[str, ...] = ()


BOOKMARKS = (
    Saved("/sourdough", datetime(2026, 9, 12, 9, 15, tzinfo=UTC), ("baking",)),
    Saved("/t", datetime(2026, 9, 27, 18, 40, tzinfo=UTC)),  # a short link
    Saved("/caulking", datetime(2026, 10, 11, 14, 5, tzinfo=UTC), ("boats",)),
    Saved("/cafe", datetime(2026, 11, 2, 20, 30, tzinfo=UTC)),
    Saved("/winter-running", datetime(2026, 11, 15, 7, 50, tzinfo=UTC), ("running",)),
)


def owner(stage: Stage) -> owners.Owner:
    """Who saves and runs in the demo, added on first use."""
    try:
        return owners.find_owner(stage.connection, OWNER)
    except InvalidInput:
        return owners.add_owner(stage.connection, OWNER, time_zone="America/New_York")


def _add(stage: Stage) -> list[Added]:
    ellen = owner(stage).slug
    return [
        stage.api.add(
            "/api/bookmarks",
            {
                "url": f"{stage.site}{saved.path}",
                "tags": saved.tags,
                "recorded_at": saved.saved_at.isoformat(),
                "external_id": f"demo{saved.path}",
            },
            owner=ellen,
        )
        for saved in BOOKMARKS
    ]


def _show(stage: Stage, ids: Sequence[int]) -> None:
    """Print what was made of every bookmark, and the answer to one search."""
    out, ellen = stage.console, owner(stage)
    for record_id in ids:
        found = read_bookmark(stage.connection, ellen.id, record_id)
        out.print()
        out.print(found.title or found.url, style="bold cyan")
        details = [found.site, counted(found.words, "word") if found.words else None]
        out.print(", ".join([*filter(None, details), f"record {record_id}"]), style="dim")
        if found.summary:
            line(out, "summary", found.summary)
        if found.keywords:
            line(out, "keywords", ", ".join(word.keyword for word in found.keywords))
        line(out, "page", stage.page(ellen.slug, "bookmarks", record_id))
    answer = asyncio.run(
        search_once(
            database_url(stage.settings), stage.settings, SEARCH,
            owner_id=ellen.id, limit=1,
        )
    )  # fmt: skip
    out.print()
    out.print(f"Search in bookmarks: “{SEARCH}”", style="bold cyan")
    for hit in answer.hits:
        out.print(f"{hit.title or 'untitled'}, record {hit.record_id}", style="dim")
        out.print(f"  {shorten(hit.text, 300, placeholder=' ...')}", soft_wrap=False)


BOOKMARKS_CHAPTER = Chapter(
    about="bookmarks, from a link to a summary, keywords and passages to search",
    labels=LABELS,
    add=_add,
    added=f"bookmarks of {OWNER}",
    show=_show,
)
