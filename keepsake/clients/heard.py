"""What was heard: words and segments with their times, read from any provider's answer.

Pure functions and data. The calls are in `transcription.py`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from keepsake.clients.structured import without_nul

LONGEST_SEGMENT_WORDS = 60  # where speech has no sentence ends
_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "؟", "।")
_CLOSING = "\"'”’»)]"

# Whisper names the language in English. Others than these are passed on when they are codes.
_NAMES = (
    "afrikaans:af arabic:ar armenian:hy azerbaijani:az basque:eu belarusian:be bengali:bn "
    "bosnian:bs bulgarian:bg burmese:my cantonese:yue catalan:ca castilian:es chinese:zh "
    "croatian:hr czech:cs danish:da dutch:nl english:en estonian:et finnish:fi flemish:nl "
    "french:fr galician:gl georgian:ka german:de greek:el gujarati:gu hebrew:he hindi:hi "
    "hungarian:hu icelandic:is indonesian:id irish:ga italian:it japanese:ja kannada:kn "
    "kazakh:kk khmer:km korean:ko lao:lo latin:la latvian:lv lithuanian:lt macedonian:mk "
    "malay:ms malayalam:ml maltese:mt mandarin:zh marathi:mr mongolian:mn nepali:ne "
    "norwegian:no nynorsk:nn pashto:ps persian:fa polish:pl portuguese:pt punjabi:pa "
    "romanian:ro russian:ru serbian:sr sinhala:si slovak:sk slovenian:sl somali:so spanish:es "
    "swahili:sw swedish:sv tagalog:tl tamil:ta telugu:te thai:th tibetan:bo turkish:tr "
    "ukrainian:uk urdu:ur uzbek:uz vietnamese:vi welsh:cy yiddish:yi yoruba:yo zulu:zu"
)
_LANGUAGES = dict(pair.split(":") for pair in _NAMES.split())


@dataclass(frozen=True)
class Word:
    """A word and when it is said, in seconds from the start of the recording."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Segment:
    """A stretch of speech, about a sentence, and when it is said, in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Heard:
    """What a provider heard.

    Attributes:
        text: everything that was said; empty when nothing was.
        language: ISO 639-1 code, or None when the provider does not say.
        duration: seconds of audio; 0.0 when the provider does not say and gives no times.
        segments: empty when the provider gives no times.
        words: empty when the provider gives no times for words.
        raw: the provider's answer as it came.
    """

    text: str
    language: str | None
    duration: float
    segments: tuple[Segment, ...]
    words: tuple[Word, ...]
    raw: dict[str, Any]


def language_code(name: str | None) -> str | None:
    """The ISO 639-1 code of a language given as a code (`en`, `pt-BR`) or an English name."""
    if not name:
        return None
    lower = name.strip().lower()
    code = lower.replace("_", "-").partition("-")[0]
    return _LANGUAGES.get(lower) or (code if code.isalpha() and 2 <= len(code) <= 3 else None)


def read_heard(answer: dict[str, Any]) -> Heard:
    """Read a provider's JSON answer leniently: entries whose times make no sense are left out.

    Args:
        answer: an object whose `text` is a string.
    """
    answer = without_nul(answer)
    words = tuple(Word(*timed) for timed in _timed(answer.get("words")))
    segments = tuple(Segment(*timed) for timed in _timed(answer.get("segments")))
    segments = segments or tuple(_sentences(words))
    text = answer["text"].strip()
    duration = _duration(answer, words, segments)
    if text and duration and not segments:
        segments = (Segment(text, 0.0, duration),)
    return Heard(
        text=text,
        language=language_code(_language(answer)),
        duration=duration,
        segments=segments,
        words=words,
        raw=answer,
    )


def _timed(entries: Any) -> Iterator[tuple[str, float, float]]:
    """Text, start and end of each usable entry of a list of words or segments."""
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        text = entry.get("word") or entry.get("text")
        start, end = _seconds(entry.get("start")), _seconds(entry.get("end"))
        if isinstance(text, str) and text.strip() and start is not None and end is not None:
            yield text.strip(), start, max(start, end)


def _seconds(value: Any) -> float | None:
    """`value` as a time, if it can be one."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _sentences(words: Sequence[Word]) -> Iterator[Segment]:
    """Segments made of words, each up to the end of its sentence."""
    sentence: list[Word] = []
    for number, word in enumerate(words, start=1):
        sentence.append(word)
        ended = word.text.rstrip(_CLOSING).endswith(_SENTENCE_ENDS)
        if ended or number == len(words) or len(sentence) == LONGEST_SEGMENT_WORDS:
            yield Segment(" ".join(w.text for w in sentence), sentence[0].start, word.end)
            sentence = []


def _duration(answer: dict[str, Any], words: Sequence[Word], segments: Sequence[Segment]) -> float:
    """Seconds of audio: as said, as billed, or up to the last word; 0.0 when nothing tells."""
    counted = answer.get("usage")
    billed = counted.get("seconds") if isinstance(counted, dict) else None
    last = max([word.end for word in words] + [part.end for part in segments], default=0.0)
    return _seconds(answer.get("duration")) or _seconds(billed) or last


def _language(answer: dict[str, Any]) -> str | None:
    """The language as the provider names it; the first, where it lists several."""
    listed = answer.get("languages")
    named = answer.get("language") or (listed[0] if isinstance(listed, list) and listed else None)
    return named if isinstance(named, str) else None
