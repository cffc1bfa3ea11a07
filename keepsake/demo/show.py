"""What the demo says at its end: the stories, an answer to a search, what failed, what it cost."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from keepsake.clients.objects import ObjectStore
from keepsake.database import Connection
from keepsake.kept import Kept, Quote

if TYPE_CHECKING:
    from rich.console import Console

    from keepsake.search import Hit


@dataclass(frozen=True)
class Spent:
    """What the models were asked for these records, ever."""

    calls: int
    tokens: int
    audio_seconds: float
    characters: int


def spent(connection: Connection, ids: Sequence[int]) -> Spent:
    """What the models were asked for these records, ever."""
    with connection.cursor(row_factory=class_row(Spent)) as cursor:
        found = cursor.execute(
            "SELECT coalesce(sum(calls), 0)::int AS calls,"
            " coalesce(sum(tokens_in + tokens_out), 0)::bigint AS tokens,"
            " coalesce(sum(audio_seconds), 0)::float8 AS audio_seconds,"
            " coalesce(sum(characters), 0)::bigint AS characters"
            " FROM ledger WHERE record_id = ANY(%s)",
            (list(ids),),
        ).fetchone()
    assert found is not None  # noqa: S101  # sums are one row
    return found


def show_story(found: Kept, objects: ObjectStore, console: "Console") -> None:
    """Print a story: title, tags, wisdom, one quote and its voice, the episode."""
    record = found.record
    console.print()
    console.print(found.story.title if found.story else "(no story)", style="bold cyan")
    how = "told" if record.spoken else "written"
    day = f"{record.recorded_at.day} {record.recorded_at:%B %Y}"
    console.print(f"{how} by {record.member} on {day}, record {record.id}", style="dim")
    if found.tags:
        _line(console, "tags", ", ".join(found.tags))
    for advice in found.wisdom:
        _line(console, "wisdom", f"{advice.advice} (for {advice.audience}; {advice.life_area})")
    if found.quotes:
        quote = next((q for q in found.quotes if q.clip_key), found.quotes[0])
        _line(console, "quote", f"“{quote.text}”{_when(quote)}")
        if quote.clip_key:
            _line(console, "voice", _path(objects.url(quote.clip_key)))
    if found.episode:
        url = _path(objects.url(found.episode.audio_key))
        _line(console, "episode", f"{url}, {_clock(found.episode.duration)}")


def _line(console: "Console", label: str, text: str) -> None:
    """A labelled line; paths stay on one, so that they can be clicked and copied."""
    console.print(f"  {label:8} {text}")


def _when(quote: Quote) -> str:
    if quote.starts_at is None or quote.ends_at is None:
        return ""
    return f", said at {_clock(quote.starts_at)} to {_clock(quote.ends_at)}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _path(url: str) -> str:
    """A path below the working directory as one writes it there; any other as it is."""
    here = f"{Path.cwd()}{os.sep}"
    return url.removeprefix(here)


def show_search(query: str, hits: "Sequence[Hit]", console: "Console") -> None:
    """Print what a search by meaning found."""
    console.print()
    console.print(f"Search by meaning: “{query}”", style="bold cyan")
    for hit in hits:
        console.print(f"{hit.title or 'untitled'}, {hit.by}, record {hit.record_id}", style="dim")
        console.print(f"  {shorten(hit.text, 300, placeholder=' ...')}", soft_wrap=False)


def show_failures(connection: Connection, ids: Sequence[int], console: "Console") -> bool:
    """Name what failed for good. Returns whether anything did."""
    rows = connection.execute(
        "SELECT record_id, step, error_message FROM ledger"
        " WHERE record_id = ANY(%s) AND status = 'failed' ORDER BY 1, 2",
        (list(ids),),
    ).fetchall()
    if rows:
        console.print()
    for record_id, step, message in rows:
        console.print(
            f"Failed: {step} of record {record_id}: {message} "
            f"(see `keepsake status {record_id}`, try again with `keepsake retry`)",
            style="red",
        )
    return bool(rows)
