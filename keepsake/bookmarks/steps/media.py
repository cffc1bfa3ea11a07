"""The film, sound and pictures that a bookmark shows, stored as files.

Cobalt finds them behind the links of the services it knows; a link to a media file is downloaded by
itself. Most bookmarks have none, and that is a result too. A file counts once it has been looked
into: what it is called, or said to be, is not believed. Equal content is one object,
no matter who saved it.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from keepsake.bookmarks.bookmark import Bookmark
from keepsake.bookmarks.services import platform_of, service_of
from keepsake.database import AsyncConnection, Connection
from keepsake.metrics.counts import observe
from keepsake.pipeline.line import Made, Step
from keepsake.pipeline.window import Window
from keepsake.records.deletion import note_replaced
from keepsake.steps.checks import Finding
from keepsake.steps.rows import columns_of, replace_rows
from keepsake.steps.tools import Tools
from keepsake.text.names import printable
from keepsake.web.media import identify

if TYPE_CHECKING:
    from keepsake.clients.cobalt import Offer
    from keepsake.web.answer import Downloaded

LOOK_SECONDS = 60.0  # that looking into one file may take
LONGEST_NAME = 150  # characters

SUFFIXES = {
    ".aac", ".avi", ".flac", ".m4a", ".m4v", ".mkv", ".mov", ".mp3", ".mp4", ".oga", ".ogg", ".ogv",
    ".opus", ".wav", ".weba", ".webm",
}  # fmt: skip


@dataclass(frozen=True)
class MediaFile:
    """A file that is kept. `duration` is in seconds."""

    kind: str
    object_key: str
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    duration: float | None


@dataclass(frozen=True)
class Media:
    """The files of a bookmark, in the order in which it shows them; none for most.

    `nothing` is the reason why there are none.
    """

    files: tuple[MediaFile, ...] = ()
    nothing: str | None = None


async def keep(bookmark: Bookmark, tools: Tools) -> Media:
    """Download and store what a bookmark shows.

    Raises:
        PermanentError: its media cannot be had, are larger than `MAX_MEDIA_MB`, or are none.
        RetryableError: they could not be had this time.
    """
    link = _link(bookmark.url)
    if link is None:
        return Media(nothing="this is no address of the web")
    platform = platform_of(bookmark.url, bookmark.platform)
    if _file_name(link).suffix.lower() in SUFFIXES:
        async with tools.cobalt.places:
            return Media((await _linked(bookmark.url, link, platform, tools),))
    if service_of(bookmark.url, bookmark.platform):
        # Held until the last byte is here: what Cobalt offers does not wait.
        async with tools.cobalt.places:
            offers = await tools.cobalt.media(bookmark.url)
            files = [await _offered(offer, platform, tools) for offer in offers]
            return Media(tuple(files), None if files else "Cobalt found no media there")
    return Media(nothing="the address names no media file, and no service that Cobalt knows")


def _link(url: str) -> SplitResult | None:
    """An address of the web in its parts; None for anything else that somebody saved."""
    try:
        link = urlsplit(url)
    except ValueError:
        return None
    return link if link.scheme in ("http", "https") and link.hostname else None


def _file_name(link: SplitResult) -> PurePosixPath:
    return PurePosixPath(PurePosixPath(unquote(link.path)).name)


async def _linked(url: str, link: SplitResult, platform: str, tools: Tools) -> MediaFile:
    """The file that a link leads to."""
    settings = tools.settings
    async with tools.folder() as folder:
        path, started = folder / "file", time.monotonic()
        done = await tools.web.download(
            url,
            path,
            max_bytes=settings.max_media_mb * 1_000_000,
            seconds=settings.media_timeout,
        )
        _count(done, started, platform)
        return await _stored(path, done, done.name or _file_name(link).name, tools)


async def _offered(offer: "Offer", platform: str, tools: Tools) -> MediaFile:
    """A file that Cobalt offers."""
    async with tools.folder() as folder:
        path, started = folder / "file", time.monotonic()
        done = await tools.cobalt.fetch(offer, path)
        _count(done, started, platform)
        return await _stored(path, done, offer.name or done.name or "", tools)


def _count(done: "Downloaded", started: float, platform: str) -> None:
    """Count a download that began at that monotonic time and is done now."""
    observe("keepsake_media_download_bytes", done.size, platform=platform)
    seconds = time.monotonic() - started
    observe("keepsake_media_download_duration_seconds", seconds, platform=platform)


async def _stored(path: Path, done: "Downloaded", name: str, tools: Tools) -> MediaFile:
    """A downloaded file in the object store, once it is known to be media.

    Raises:
        PermanentError: it is not.
    """
    found = await tools.workers.run(identify, path, seconds=LOOK_SECONDS)
    key = f"media/{done.sha256}{found.suffix}"
    if not await tools.objects.exists(key):
        await tools.objects.put_file(key, path, found.content_type)
    return MediaFile(
        kind=found.kind,
        object_key=key,
        name=_shown(name) or f"{found.kind}{found.suffix}",
        content_type=found.content_type,
        size_bytes=done.size,
        sha256=done.sha256,
        duration=found.duration,
    )


def _shown(name: str) -> str:
    """A name that people can be shown: nothing of a path, nothing that cannot be seen."""
    return printable(re.sub(r"[/\\]", "", name)).strip()[:LONGEST_NAME]


async def save(connection: AsyncConnection, made: Sequence[Made[Media]]) -> None:
    """Store which files there are."""
    still = [file.object_key for each in made for file in each.result.files]
    await note_replaced(connection, "media", made, still)
    await replace_rows(
        connection,
        "media",
        made,
        ("position", *columns_of(MediaFile)),
        lambda media: [(position, *astuple(file)) for position, file in enumerate(media.files)],
    )


def media_whole(connection: Connection, window: Window) -> Finding:
    """Whether every file has a size and a checksum. Both were taken as it was downloaded."""
    rows = connection.execute(
        """
        SELECT m.record_id, m.size_bytes > 0 AND m.sha256 ~ '^[0-9a-f]{64}$'
        FROM media m JOIN records r ON r.id = m.record_id
        WHERE r.line = %s AND r.recorded_at >= %s AND r.recorded_at < %s
        """,
        (window.line, window.start, window.end),
    ).fetchall()
    return Finding(
        checked=len(rows),
        bad=[record_id for record_id, good in rows if not good],
        fault="Files are empty or without a checksum.",
    )


MEDIA = Step(
    name="media",
    version="1",
    make=keep,
    save=save,
    output_key=lambda media: media.files,
    nothing=lambda media: media.nothing,
)
