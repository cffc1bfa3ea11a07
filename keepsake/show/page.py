"""The page of one record: one HTML file with everything in it, to read, keep and send on.

Sound and pictures are put into the file itself, so that it plays on any device and asks no
server for anything; what is too large for that is linked. No script, and a policy that lets
none in.
"""

import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from keepsake.clients.objects import MissingObject, ObjectStore
from keepsake.lines import module_of
from keepsake.settings import HomeSettings
from keepsake.show.document import Document, File
from keepsake.text.moments import clock, day, when
from keepsake.text.templates import environment

if TYPE_CHECKING:
    from jinja2 import Template

MOST_EMBEDDED = 24_000_000  # bytes of all objects in one page: about 25 minutes of an episode
# What browsers play, by the end of a name.
TYPES = {
    ".mp3": "audio/mpeg", ".wav": "audio/wav", ".ogg": "audio/ogg", ".opus": "audio/ogg",
    ".m4a": "audio/mp4", ".flac": "audio/flac", ".aac": "audio/aac",
    ".mp4": "video/mp4", ".webm": "video/webm",
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif",
    ".webp": "image/webp", ".avif": "image/avif",
}  # fmt: skip
PLAYED = ("clip", "episode", "audio", "video", "image")  # in the order in which they find room
_BASE = Path(__file__).parent / "record.html.j2"
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "yi", "ps", "sd", "ug", "dv", "ckb"})


@dataclass(frozen=True)
class Played:
    """A file on the page: `element` is `audio`, `video`, `img`, or empty for a mere link."""

    element: str
    source: str
    link: str
    missing: bool = False


async def render_page(
    document: Document, objects: ObjectStore, *, beside: str | None = None
) -> str:
    """The page as one HTML file.

    Args:
        document: the record.
        objects: the store.
        beside: an address below which all files are, by their keys: then the page links to all,
            and holds none.

    Raises:
        RetryableError: the object store fails.
        EndpointDown: the object store refuses us.
    """
    load_view = module_of(document.record.line).load_view
    language = _language(document)
    played = _linked(document, beside) if beside else _played(document, objects)
    return _template(load_view().template if load_view else _BASE).render(
        document=document,
        made=document.made,
        title=_title(document),
        language=language,
        direction="rtl" if language in RIGHT_TO_LEFT else "ltr",
        files={file.key: each async for file, each in played},
        others=[file for file in document.files if file.kind not in PLAYED] if beside else [],
    )


def _title(document: Document) -> str:
    title = document.made.title if document.made else None
    return title or document.title or f"Record {document.record.id}"


def _language(document: Document) -> str:
    """The language of what a person reads here, as far as it is known."""
    found = document.made.language if document.made else None
    code = (found or "en").split("-")[0].lower()
    return code if 2 <= len(code) <= 3 and code.isascii() and code.isalpha() else "en"


async def _played(document: Document, objects: ObjectStore) -> AsyncIterator[tuple[File, Played]]:
    """Each file that a browser may show, with its content for as long as there is room."""
    room = MOST_EMBEDDED
    for file in sorted(document.files, key=lambda f: (*PLAYED, f.kind).index(f.kind)):
        kind = _media_type(file)
        element = _element(kind) if file.kind in PLAYED else ""
        played = Played(element, file.link, file.link)
        try:
            size = (await objects.stat(file.key)).size
            if element and size <= room:
                data = base64.b64encode(await objects.get_bytes(file.key)).decode()
                played = replace(played, source=f"data:{kind};base64,{data}")
                room -= size
            elif not file.link.startswith("file:"):
                played = replace(played, element="")  # it would be asked of another machine
        except MissingObject:
            played = Played("", "", "", missing=True)
        yield file, played


async def _linked(document: Document, beside: str) -> AsyncIterator[tuple[File, Played]]:
    """Each file, where a browser finds it beside the page."""
    for file in document.files:
        address = beside + quote(file.key)
        yield file, Played(_element(_media_type(file)), address, address)


def _media_type(file: File) -> str:
    return TYPES.get(PurePosixPath(file.key).suffix.lower(), "")


def _element(media_type: str) -> str:
    """What shows it in a browser; empty: nothing does."""
    return media_type.split("/")[0].replace("image", "img")


def _paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a text; a blank line is between two."""
    return (part for part in text.split("\n\n") if part.strip())


@cache
def _template(path: Path) -> "Template":
    templates = environment(path.parent, _BASE.parent)
    templates.filters.update(clock=clock, day=day, when=when, paragraphs=_paragraphs)
    return templates.get_template(path.name)


def page_path(settings: HomeSettings, record: int) -> Path:
    """Where the page of a record is written, if no path is given."""
    return settings.home / "pages" / f"record-{record}.html"
