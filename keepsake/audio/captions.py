"""What a player shows beside the sound: transcripts as WebVTT and SRT, and chapters in JSON."""

import json
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

LINE_CHARS = 65  # the longest caption line that Apple Podcasts takes


_VOICE = re.compile(r"<v ([^>]*)>")


@dataclass(frozen=True)
class Cue:
    """Words said from `start` to `end` (seconds), and by whom."""

    start: float
    end: float
    text: str
    speaker: str | None = None


@dataclass(frozen=True)
class ChapterMark:
    """A chapter from `start` to `end`, in seconds."""

    start: float
    end: float
    title: str


def vtt(cues: Iterable[Cue]) -> str:
    """Write a WebVTT transcript; cues without words are left out."""
    return "\n\n".join(("WEBVTT", *(_cue(cue) for cue in cues if cue.text.strip()))) + "\n"


def srt(webvtt: str) -> str:
    """A transcript that `vtt` wrote, as SubRip: for players that read no WebVTT."""
    cues = [block.split("\n", 1) for block in webvtt.strip().split("\n\n")[1:]]
    return "\n".join(
        f"{number}\n{times.replace('.', ',')}\n{_plain(words)}\n"
        for number, (times, words) in enumerate(cues, start=1)
    )


def chapters_json(chapters: Iterable[ChapterMark]) -> str:
    """Write chapters as Podcasting 2.0 JSON (`application/json+chapters`, version 1.2.0)."""
    marks = [
        {"startTime": round(mark.start, 3), "endTime": round(mark.end, 3), "title": mark.title}
        for mark in chapters
    ]
    return json.dumps({"version": "1.2.0", "chapters": marks}, ensure_ascii=False, indent=2) + "\n"


def _cue(cue: Cue) -> str:
    start = round(cue.start * 1000)
    end = max(round(cue.end * 1000), start + 1)  # a cue that ends as it starts is not valid
    lines = "\n".join(_escaped(line) for line in textwrap.wrap(cue.text, LINE_CHARS))
    voice = f"<v {_escaped(' '.join(cue.speaker.split()))}>" if cue.speaker else ""
    return f"{_time(start)} --> {_time(end)}\n{voice}{lines}"


def _time(milliseconds: int) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{thousandths:03}"


def _plain(words: str) -> str:
    """The words of a cue as SubRip has them: it knows no voices and no escapes."""
    said = _VOICE.sub(r"\1: ", words, count=1)
    return said.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
