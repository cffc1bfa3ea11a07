"""How a bookmark is shown in full: on a terminal here, as a page in `view.html.j2`."""

from pathlib import Path

from keepsake.bookmarks.views import BookmarkView, read_bookmark
from keepsake.line_module import View
from keepsake.records.progress import RecordHead
from keepsake.terminal.paper import Paper
from keepsake.text.moments import clock, day, when


def _write(out: Paper, head: RecordHead, made: BookmarkView) -> None:
    out.title(made.title or made.url)
    out.line(made.url)
    about = (made.site, made.author, day(made.published_on) if made.published_on else None)
    if said := ", ".join(filter(None, about)):
        out.line(said)
    folder = f", in {made.folder}" if made.folder else ""
    out.line(f"Saved by {made.owner}, {when(made.saved_at)}{folder}")
    if made.note:
        out.line(f"Note: {made.note}")
    if made.keywords:
        words = (f"{w.keyword} (by hand)" if w.source == "human" else w.keyword
                 for w in made.keywords)  # fmt: skip
        out.line(f"Keywords: {', '.join(words)}")
    if made.summary:
        out.line("")
        out.prose(made.summary)
    if made.media:
        out.heading("Media")
    for medium in made.media:
        length = f", {clock(medium.duration)}" if medium.duration else ""
        size = f"{medium.size_bytes / 1e6:.1f} MB"
        out.line(f"{medium.kind.capitalize()}, {size}{length}: {medium.name}")
        out.file(medium.object_key)
    if made.text:
        count = f", {made.words:,} {'word' if made.words == 1 else 'words'}" if made.words else ""
        out.heading(f"Text{count}")
        out.prose(made.text)


VIEW = View(read=read_bookmark, write=_write, template=Path(__file__).parent / "view.html.j2")
