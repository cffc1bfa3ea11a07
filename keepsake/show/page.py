"""The page of one record: one HTML file with everything in it, to read, keep and send on.

Sound and pictures are put into the file itself, so that it plays on any device and asks no
server for anything; what is too large for that is linked. No script, and a policy that lets
none in.
"""

import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from keepsake.bookmarks.views import BookmarkView
from keepsake.clients.objects import MissingObject, ObjectStore
from keepsake.family.remarks import remark
from keepsake.family.views import ResponseView
from keepsake.running.remarks import remarks
from keepsake.running.views import ActivityView
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
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "yi", "ps", "sd", "ug", "dv", "ckb"})


@dataclass(frozen=True)
class Played:
    """A file on the page: `element` is `audio`, `video`, `img`, or empty for a mere link."""

    element: str
    source: str
    link: str
    missing: bool = False


async def render_page(document: Document, objects: ObjectStore) -> str:
    """The page as one HTML file.

    Raises:
        RetryableError: the object store fails.
        EndpointDown: the object store refuses us.
    """
    made = document.made
    language = _language(document)
    return _template().render(
        document=document,
        made=made,
        kind=_KINDS.get(type(made), "steps"),
        title=_title(document),
        language=language,
        direction="rtl" if language in RIGHT_TO_LEFT else "ltr",
        files={file.key: played async for file, played in _played(document, objects)},
    )


_KINDS: Mapping[type, str] = {
    ResponseView: "response",
    BookmarkView: "bookmark",
    ActivityView: "activity",
}


def _title(document: Document) -> str:
    match document.made:
        case ResponseView(story=story) if story:
            return story.title
        case BookmarkView() as bookmark:
            return bookmark.title or bookmark.url or f"Record {document.record.id}"
        case ActivityView() as activity:
            return activity.title or activity.file_name
        case None if document.title:
            return document.title
    return f"Record {document.record.id}"


def _language(document: Document) -> str:
    """The language of what a person reads here, as far as it is known."""
    match document.made:
        case ResponseView(transcript=transcript, record=record):
            found = transcript.language if transcript else record.language
        case BookmarkView(language=found):
            pass
        case _:
            found = None
    code = (found or "en").split("-")[0].lower()
    return code if 2 <= len(code) <= 3 and code.isascii() and code.isalpha() else "en"


async def _played(document: Document, objects: ObjectStore) -> AsyncIterator[tuple[File, Played]]:
    """Each file that a browser may show, with its content for as long as there is room."""
    room = MOST_EMBEDDED
    for file in sorted(document.files, key=lambda f: (*PLAYED, f.kind).index(f.kind)):
        kind = TYPES.get(PurePosixPath(file.key).suffix.lower(), "")
        element = kind.split("/")[0].replace("image", "img") if file.kind in PLAYED else ""
        played = Played(element, file.link, file.link)
        try:
            size = await objects.size(file.key)
            if element and size <= room:
                data = base64.b64encode(await objects.get_bytes(file.key)).decode()
                played = replace(played, source=f"data:{kind};base64,{data}")
                room -= size
            elif not file.link.startswith("file:"):
                played = replace(played, element="")  # it would be asked of another machine
        except MissingObject:
            played = Played("", "", "", missing=True)
        yield file, played


def _paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a text; a blank line is between two."""
    return (part for part in text.split("\n\n") if part.strip())


@cache
def _template() -> "Template":
    templates = environment(Path(__file__).parent)
    templates.filters.update(
        clock=clock, day=day, when=when, paragraphs=_paragraphs, remark=remark, remarks=remarks
    )
    return templates.get_template("record.html.j2")
