"""The page of one record: how far its steps are, and what was made of it, as its line shows that.

A line has one function here, named in `PAGES`; what was made is read by the line itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from keepsake.cli.shell import console, filled, open_database, print_json, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from keepsake.bookmarks.kept import KeptBookmark
    from keepsake.clients.objects import ObjectStore
    from keepsake.database import Connection
    from keepsake.family.kept import Kept
    from keepsake.progress import RecordHead
    from keepsake.running.kept import KeptActivity

HOLDS = {"tier": "beyond the tier", "off": "switched off"}


@dataclass(frozen=True)
class Page:
    """What was made of a record: as a document for scripts, and how to show it to people."""

    document: Mapping[str, Any]
    show: "Callable[[Console], None]"


def show_record(record_id: int, *, json: bool) -> None:
    """Print the page of a record.

    Raises:
        InvalidInput: there is no such record.
    """
    from keepsake.clients.objects import open_objects
    from keepsake.ledger import record_steps
    from keepsake.progress import record_head
    from keepsake.settings import load_settings

    settings = load_settings()
    with open_database(settings) as connection:
        record = record_head(connection, record_id)
        steps = record_steps(connection, record_id)
        page = PAGES.get(record.line, _steps_only)(connection, open_objects(settings), record_id)
    if json:
        print_json({"record": record, **page.document, "steps": steps})
        return
    out = console()
    _show_head(out, record)
    rows = [_step_row(step) for step in steps]
    print_table("Steps", rows, filled(rows))
    page.show(out)


def _show_head(out: "Console", record: "RecordHead") -> None:
    out.print(f"Record {record.id} of {record.owner}: {record.status}", style="bold")
    batch = "" if record.batch_id is None else f", taken in with batch {record.batch_id}"
    out.print(f"{record.line}, of {record.recorded_at:%Y-%m-%d %H:%M} UTC{batch}")
    out.print()


def _step_row(step: Mapping[str, Any]) -> dict[str, Any]:
    from keepsake.costs import usd

    seconds, cost = step["seconds"], step["cost"]
    return {
        "step": step["step"],
        "status": step["status"],
        "tries": step["attempts"],
        "calls": step["calls"],
        "tokens": step["tokens_in"] + step["tokens_out"],
        "USD": usd(cost or Decimal(), cost) if step["calls"] else "",
        "seconds": None if seconds is None else round(seconds, 1),
        "model": ", ".join(step["models"]),
        "remark": _remark(step),
    }


def _remark(step: Mapping[str, Any]) -> str:
    """What an unfinished step waits for, what went wrong, and why there was nothing to make."""
    due, error = step["due_at"], step["error_message"] or ""
    if step["nothing_reason"]:
        return f"nothing to make: {step['nothing_reason']}"
    if step["held"]:
        return "; ".join(filter(None, (HOLDS[step["held"]], error)))
    if step["status"] != "pending":
        return error
    if due is None:
        return error or "left to its schedule, or to a backfill"
    when = "due" if due <= datetime.now(UTC) else f"again at {due:%Y-%m-%d %H:%M} UTC"
    return f"{when}; {error}" if error else when


def _steps_only(connection: "Connection", objects: "ObjectStore", record_id: int) -> Page:
    """The page of a line that shows nothing but its steps."""
    return Page({}, show=lambda out: None)


# -- the family line ------------------------------------------------------------------------------


def _family_page(connection: "Connection", objects: "ObjectStore", record_id: int) -> Page:
    from keepsake.family.kept import kept

    found = kept(connection, record_id)
    return Page(
        {"kept": found, "files": _family_files(found, objects)},
        show=lambda out: _show_family(out, found, objects),
    )


def _family_files(found: "Kept", objects: "ObjectStore") -> dict[str, Any]:
    """Where the files are: addresses that a person or a player can open."""
    episode = found.episode
    return {
        "clips": [objects.url(q.clip_key) for q in found.quotes if q.clip_key],
        "episode": objects.url(episode.audio_key) if episode else None,
        "transcript": objects.url(episode.vtt_key) if episode else None,
        "chapters": objects.url(episode.chapters_key) if episode else None,
    }


def _show_family(out: "Console", found: "Kept", objects: "ObjectStore") -> None:
    out.print()
    how = "Spoken" if found.record.spoken else "Written"
    out.print(f"{how} by {found.record.member or found.record.owner}")
    if found.story:
        out.print(found.story.title, style="bold")
        out.print(found.story.summary)
    if found.tags:
        out.print(f"Tags: {', '.join(found.tags)}")
    for advice in found.wisdom:
        out.print(f"Wisdom: {advice.advice} (for {advice.audience}; {advice.life_area})")
    for quote in found.quotes:
        out.print(f"Quote: “{quote.text}”")
        if quote.clip_key:
            out.print(f"  {objects.url(quote.clip_key)}")
    if found.episode:
        out.print(f"Episode, {found.episode.duration:.0f} s:")
        for key in (found.episode.audio_key, found.episode.vtt_key, found.episode.chapters_key):
            out.print(f"  {objects.url(key)}")


# -- the bookmarks line ---------------------------------------------------------------------------


def _bookmark_page(connection: "Connection", objects: "ObjectStore", record_id: int) -> Page:
    from keepsake.bookmarks.kept import kept_bookmark

    found = kept_bookmark(connection, record_id)
    return Page(
        {"kept": found, "files": {"media": [objects.url(m.object_key) for m in found.media]}},
        show=lambda out: _show_bookmark(out, found, objects),
    )


def _show_bookmark(out: "Console", found: "KeptBookmark", objects: "ObjectStore") -> None:
    out.print()
    out.print(found.title or found.url, style="bold")
    out.print(f"{found.url} ({found.site})" if found.site else found.url)
    if found.note:
        out.print(f"Note: {found.note}")
    if found.summary:
        out.print(found.summary, soft_wrap=False)
    if found.keywords:
        out.print(f"Keywords: {', '.join(word.keyword for word in found.keywords)}")
    for medium in found.media:
        out.print(f"{medium.kind.capitalize()}, {medium.size_bytes / 1e6:.1f} MB: {medium.name}")
        out.print(f"  {objects.url(medium.object_key)}")


# -- the running line -----------------------------------------------------------------------------


def _running_page(connection: "Connection", objects: "ObjectStore", record_id: int) -> Page:
    from keepsake.running.kept import kept_activity

    found = kept_activity(connection, record_id)
    return Page(
        {"kept": found, "files": {"activity": objects.url(found.file_key)}},
        show=lambda out: _show_activity(out, found),
    )


def _show_activity(out: "Console", found: "KeptActivity") -> None:
    out.print()
    out.print(found.title or found.file_name, style="bold")
    for fact in found.facts:
        out.print(f"{fact.name}: {fact.text}")
    if found.letter:
        out.print(f"\n{found.letter}", soft_wrap=False)
    if found.insight:
        out.print()
        out.print(f"Heart rate: {found.insight.heart_rate}", soft_wrap=False)
        out.print(f"Pacing: {found.insight.pacing}", soft_wrap=False)
        out.print(f"Recommendation: {found.insight.recommendation}", soft_wrap=False)


PAGES: "Mapping[str, Callable[[Connection, ObjectStore, int], Page]]" = {
    "family": _family_page,
    "bookmarks": _bookmark_page,
    "running": _running_page,
}
