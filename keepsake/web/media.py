"""What a downloaded file is: film, sound or a picture, by what is in it.

What a server or a name calls a file is not believed. To be called through `WorkerPool.run`, since
it is someone else's. Where a file comes from and where it is stored is not known here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from keepsake.errors import PermanentError

if TYPE_CHECKING:
    from av.container import InputContainer

HEAD = 64  # bytes from the beginning that identify a picture, and WebM from its Matroska kin

_TYPES = {
    ("mov", "video"): ("video/mp4", ".mp4"),
    ("mov", "audio"): ("audio/mp4", ".m4a"),
    ("webm", "video"): ("video/webm", ".webm"),
    ("webm", "audio"): ("audio/webm", ".weba"),
    ("matroska", "video"): ("video/x-matroska", ".mkv"),
    ("matroska", "audio"): ("audio/x-matroska", ".mka"),
    ("ogg", "video"): ("video/ogg", ".ogv"),
    ("ogg", "audio"): ("audio/ogg", ".ogg"),
    ("mpegts", "video"): ("video/mp2t", ".ts"),
    ("mp3", "audio"): ("audio/mpeg", ".mp3"),
}


@dataclass(frozen=True)
class MediaFile:
    """What a file is. `duration` is in seconds, None for a picture or where it does not say."""

    kind: Literal["video", "audio", "image"]
    content_type: str
    suffix: str
    duration: float | None


def identify(path: Path) -> MediaFile:
    """What the file is.

    Raises:
        PermanentError: neither film, sound nor a picture: a page that says sorry, or a file cut
            off before its index.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    picture = _picture(head)
    if picture is not None:
        return MediaFile("image", f"image/{picture}", f".{picture}", None)
    return _film_or_sound(path, head)


def _picture(head: bytes) -> str | None:
    """The format of a picture, by its first bytes."""
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"heic"):
        return head[8:12].decode()
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    marks = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif"}
    return next((name for mark, name in marks.items() if head.startswith(mark)), None)


def _film_or_sound(path: Path, head: bytes) -> MediaFile:
    import av
    from av.stream import Disposition

    from keepsake.audio.media import open_file

    try:
        with open_file(path) as container:
            # The cover of a song is a picture, and no film.
            films = [
                stream
                for stream in container.streams.video
                if not stream.disposition & Disposition.attached_pic
            ]
            streams = films or container.streams.audio
            if not streams or not any(packet.size for packet in container.demux(streams[0])):
                raise PermanentError("there is nothing in it")
            seconds = container.duration / av.time_base if container.duration else None
            name = _format(container, head)
    except (PermanentError, av.error.FFmpegError):
        raise PermanentError("the file is neither film, sound nor a picture") from None
    kind: Literal["video", "audio"] = "video" if films else "audio"
    content_type, suffix = _TYPES.get((name, kind), (f"{kind}/{name}", f".{name}"))
    return MediaFile(kind, content_type, suffix, seconds)


def _format(container: "InputContainer", head: bytes) -> str:
    """The first name of the file's format."""
    return "webm" if b"webm" in head else container.format.name.partition(",")[0]
