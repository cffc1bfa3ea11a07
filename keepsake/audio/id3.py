"""The ID3v2 tag of an episode or a clip: what it is called, its cover and its chapters."""

# mypy: disallow-untyped-calls=False
# (mutagen has no types)

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mutagen import id3
from mutagen.id3 import CTOCFlags

from keepsake.audio.captions import ChapterMark

UTF16 = 1  # the encoding of ID3v2.3 that holds every script
THREE_LETTERS = {"en": "eng", "de": "deu", "fr": "fra", "es": "spa", "it": "ita", "pt": "por",
                 "nl": "nld", "pl": "pol", "ru": "rus", "uk": "ukr", "ar": "ara", "he": "heb",
                 "zh": "zho", "ja": "jpn", "ko": "kor", "hi": "hin", "tr": "tur"}  # fmt: skip
BY_TIME = 0xFFFFFFFF  # a chapter's byte offsets are not used, its times are


@dataclass(frozen=True)
class EpisodeTags:
    """What an episode or a clip is called.

    Attributes:
        language: an ISO 639-2 code of three letters.
        genre: as players sort by it.
        cover: a PNG.
    """

    title: str
    artist: str
    album: str
    published: date
    description: str = ""
    language: str = "eng"
    genre: str = "Podcast"
    cover: bytes | None = None


def three_letters(language: str) -> str:
    """The ISO 639-2 code of an ISO 639-1 code; `und`, undetermined, where it is not known here."""
    return language if len(language) == 3 else THREE_LETTERS.get(language, "und")


def write_tags(path: Path, tags: EpisodeTags, chapters: Sequence[ChapterMark] = ()) -> None:
    """Put an ID3v2.3 tag (the version that every player reads) on an mp3 file without one."""
    tag = id3.ID3()
    tag.add(id3.TIT2(UTF16, [tags.title]))
    tag.add(id3.TPE1(UTF16, [tags.artist]))
    tag.add(id3.TALB(UTF16, [tags.album]))
    tag.add(id3.TCON(UTF16, [tags.genre]))
    tag.add(id3.TLAN(UTF16, [tags.language]))
    tag.add(id3.TDRC(UTF16, [tags.published.isoformat()]))
    if tags.cover:
        tag.add(id3.APIC(UTF16, "image/png", id3.PictureType.COVER_FRONT, "", tags.cover))
    if tags.description:
        tag.add(id3.COMM(UTF16, tags.language, "", [tags.description]))
    names = _names(chapters)
    for name, mark in zip(names, chapters, strict=True):
        tag.add(_chapter(name, mark))
    if chapters:
        flags = CTOCFlags.TOP_LEVEL | CTOCFlags.ORDERED
        contents = [id3.TIT2(UTF16, ["Chapters"])]
        tag.add(id3.CTOC("toc", flags, child_element_ids=names, sub_frames=contents))
    tag.update_to_v23()
    tag.save(path, v1=0, v2_version=3)


def _names(chapters: Sequence[ChapterMark]) -> list[str]:
    """Name the chapters so that mutagen writes them in order.

    It sorts frames by size, then by name, and some players list chapters as they come in the file:
    so names make up for the titles' lengths.
    """
    sizes = [len(mark.title.encode("utf-16")) for mark in chapters]
    return [f"chp{n:03}".ljust(6 + max(sizes) - size, "-") for n, size in enumerate(sizes)]


def _chapter(name: str, mark: ChapterMark) -> id3.CHAP:
    return id3.CHAP(
        name,
        round(mark.start * 1000),
        round(mark.end * 1000),
        BY_TIME,
        BY_TIME,
        sub_frames=[id3.TIT2(UTF16, [mark.title])],
    )
