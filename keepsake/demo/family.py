"""The family in the demo: memories become stories, quotes in people's own voices, episodes."""

import asyncio
from collections.abc import Sequence
from textwrap import shorten
from typing import TYPE_CHECKING

from keepsake.database import database_url
from keepsake.demo import memories
from keepsake.demo.api import Api
from keepsake.demo.show import clock, line
from keepsake.demo.stage import Chapter, Stage
from keepsake.family.response import find_family
from keepsake.family.steps.quotes import Quote
from keepsake.family.views import ResponseView, read_response
from keepsake.records.adding import Added
from keepsake.search.hits import Hit
from keepsake.search.search import search_once

if TYPE_CHECKING:
    from rich.console import Console

LABELS = {  # short: the live table is to fit 80 columns
    "transcripts": "speech to text",
    "embeddings": "embedded for search",
    "tags": "what it is about",
    "wisdom": "advice, and for whom",
    "stories": "title and summary",
    "quotes": "word for word",
    "podcasts": "the episode",
}


def _add(stage: Stage) -> list[Added]:
    """Add the family, its members and responses, those that are not there yet."""
    family = _family(stage.api)
    known = {member["name"] for member in stage.api.get("/api/members", owner=family)}
    for name in sorted(set(memories.MEMBERS) - known):
        stage.api.post("/api/members", {"name": name}, owner=family)
    return [_add_memory(stage.api, family, memory) for memory in memories.MEMORIES]


def _family(api: Api) -> str:
    """The short name of the demo's family, which is added on first use."""
    for family in api.get("/api/families"):
        if family["name"] == memories.FAMILY:
            return str(family["slug"])
    new = {"name": memories.FAMILY, "time_zone": memories.TIME_ZONE}
    return str(api.post("/api/families", new)["slug"])


def _add_memory(api: Api, family: str, memory: memories.Memory) -> Added:
    about = {
        "member": memory.member,
        "recorded_at": memory.recorded_at.isoformat(),
        "external_id": f"demo/{memory.name}",
    }
    if memory.audio is None:
        return api.add("/api/responses", {**about, "text": memory.text}, owner=family)
    return api.upload("PUT", "/api/responses/audio", memory.audio, owner=family, **about)


def _show(stage: Stage, ids: Sequence[int]) -> None:
    """Print every story, and the answer to one search."""
    home = find_family(stage.connection, memories.FAMILY)
    for record_id in ids:
        found = read_response(stage.connection, home.id, record_id)
        _show_story(found, stage.page(home.slug, "family", record_id), stage.console)
    url = database_url(stage.settings)
    answer = asyncio.run(
        search_once(url, stage.settings, memories.SEARCH, owner_id=home.id, limit=1)
    )
    _show_search(memories.SEARCH, answer.hits, stage.console)


def _show_story(found: ResponseView, page: str, console: "Console") -> None:
    """Print a story: title, tags, wisdom, one quote, how long the episode is, where it is heard."""
    record = found.record
    console.print()
    console.print(found.story.title if found.story else "(no story)", style="bold cyan")
    how = "told" if record.spoken else "written"
    day = f"{record.recorded_at.day} {record.recorded_at:%B %Y}"
    console.print(f"{how} by {record.member} on {day}, record {record.id}", style="dim")
    if found.tags:
        line(console, "tags", ", ".join(tag.value for tag in found.tags))
    for advice in found.wisdom:
        line(console, "wisdom", f"{advice.advice} (for {advice.audience}; {advice.life_area})")
    if found.quotes:
        quote = next((q for q in found.quotes if q.clip_key), found.quotes[0])
        line(console, "quote", f"“{quote.text}”{_when(quote)}")
    if found.episode:
        line(console, "episode", clock(found.episode.duration))
    line(console, "page", page)


def _when(quote: Quote) -> str:
    if quote.starts_at is None or quote.ends_at is None:
        return ""
    return f", said at {clock(quote.starts_at)} to {clock(quote.ends_at)}"


def _show_search(query: str, hits: Sequence[Hit], console: "Console") -> None:
    """Print what a search by meaning found."""
    console.print()
    console.print(f"Search by meaning: “{query}”", style="bold cyan")
    for hit in hits:
        console.print(f"{hit.title or 'untitled'}, {hit.by}, record {hit.record_id}", style="dim")
        console.print(f"  {shorten(hit.text, 300, placeholder=' ...')}", soft_wrap=False)


FAMILY_CHAPTER = Chapter(
    about="a family's memories, from voice message to podcast",
    labels=LABELS,
    add=_add,
    added=f"memories of {memories.FAMILY}, "
    f"{sum(memory.audio is not None for memory in memories.MEMORIES)} of them spoken",
    show=_show,
)
