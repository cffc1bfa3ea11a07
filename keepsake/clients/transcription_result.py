"""Transcription results: words and segments with their times, read from any provider's answer.

Pure functions and data. The calls are in `transcription.py`.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

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


Timed = TypeVar("Timed", Word, Segment)


@dataclass(frozen=True)
class Signs:
    """What a model says of how far to trust a segment; None what it does not say.

    Attributes:
        avg_logprob: mean log probability of its tokens, of the 30 s it belongs to.
        no_speech_prob: probability that there is no speech in these 30 s.
        compression_ratio: how far the text of these 30 s can be packed: repeated words can far.
        voice_prob: mean probability of a voice, by a detector of its own (embedded model only).
    """

    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    compression_ratio: float | None = None
    voice_prob: float | None = None


@dataclass(frozen=True)
class TranscriptionResult:
    """What a provider transcribed.

    Attributes:
        text: everything that was said; empty when nothing was.
        language: ISO 639-1 code, or None when the provider does not say.
        duration: seconds of audio; 0.0 when the provider does not say and gives no times.
        segments: empty when the provider gives no times.
        words: empty when the provider gives no times for words.
        raw: the provider's answer as it came.
        signs: one for each segment that the provider gave; empty where it gave none.
        language_probability: how sure the model is of the language it found; None where it does
            not say, or was given the language.
    """

    text: str
    language: str | None
    duration: float
    segments: tuple[Segment, ...]
    words: tuple[Word, ...]
    raw: dict[str, Any]
    signs: tuple[Signs, ...] = ()
    language_probability: float | None = None

    @cached_property
    def word_places(self) -> list[tuple[int, int]]:
        """Where in the text each word is: characters [start, end)."""
        return places(self.text, [word.text for word in self.words])

    @cached_property
    def segment_places(self) -> list[tuple[int, int]]:
        """Where in the text each segment is: characters [start, end)."""
        return places(self.text, [segment.text for segment in self.segments])

    def without(self, gone: Sequence[tuple[int, int]]) -> "TranscriptionResult":
        """The same without these characters of the text, and the words and segments in them.

        A segment that loses some of its words keeps the others, and their times.
        """
        if not gone:
            return self
        words = [
            (word, place)
            for word, place in zip(self.words, self.word_places, strict=True)
            if not _within(place, gone)
        ]
        kept = [
            (number, _shrunk(self, segment, place, gone, words))
            for number, (segment, place) in enumerate(
                zip(self.segments, self.segment_places, strict=True)
            )
            if not _within(place, gone)
        ]
        return replace(
            self,
            text=_rest(self.text, 0, len(self.text), gone),
            words=tuple(word for word, _ in words),
            segments=tuple(segment for _, segment in kept),
            signs=tuple(self.signs[number] for number, _ in kept) if self.signs else (),
        )

    def from_(self, seconds: float) -> "TranscriptionResult":
        """The same; what begins before that time begins then."""
        return replace(
            self,
            words=tuple(_from(word, seconds) for word in self.words),
            segments=tuple(_from(segment, seconds) for segment in self.segments),
        )

    def later(self, seconds: float) -> "TranscriptionResult":
        """The same, its times moved by so many seconds."""
        return replace(
            self,
            words=tuple(_later(word, seconds) for word in self.words),
            segments=tuple(_later(segment, seconds) for segment in self.segments),
        )


def places(text: str, pieces: Sequence[str]) -> list[tuple[int, int]]:
    """Where in `text` each piece is, in order; one that is not found takes no characters."""
    found, position = [], 0
    for piece in pieces:
        start = text.find(piece, position)
        if start < 0:
            found.append((position, position))
            continue
        position = start + len(piece)
        found.append((start, position))
    return found


def _within(place: tuple[int, int], spans: Sequence[tuple[int, int]]) -> bool:
    """Whether all of `place` is in one of the spans."""
    return any(start <= place[0] < end and place[1] <= end for start, end in spans)


def _rest(text: str, first: int, last: int, gone: Sequence[tuple[int, int]]) -> str:
    """`text[first:last]` without the spans."""
    kept, at = [], first
    for start, end in sorted(gone):
        kept.append(text[at : min(max(start, at), last)])
        at = min(max(end, at), last)
    return re.sub(r"[ \t]{2,}", " ", "".join([*kept, text[at:last]])).strip()


def _shrunk(
    heard: TranscriptionResult,
    segment: Segment,
    place: tuple[int, int],
    gone: Sequence[tuple[int, int]],
    words: Sequence[tuple[Word, tuple[int, int]]],
) -> Segment:
    """A segment without the spans; `words` are those that are left of the whole text."""
    text = _rest(heard.text, *place, gone)
    if place[0] == place[1] or text == heard.text[slice(*place)]:
        return segment
    own = [word for word, at in words if place[0] <= at[0] < place[1]]
    if not own:
        return Segment(text, segment.start, segment.end)
    return Segment(text, own[0].start, own[-1].end)


def _from(piece: Timed, seconds: float) -> Timed:
    if piece.start >= seconds:
        return piece
    return type(piece)(piece.text, seconds, max(seconds, piece.end))


def _later(piece: Timed, seconds: float) -> Timed:
    return type(piece)(piece.text, round(piece.start + seconds, 3), round(piece.end + seconds, 3))


def language_code(name: str | None) -> str | None:
    """The ISO 639-1 code of a language given as a code (`en`, `pt-BR`) or an English name."""
    if not name:
        return None
    lower = name.strip().lower()
    code = lower.replace("_", "-").partition("-")[0]
    return _LANGUAGES.get(lower) or (code if code.isalpha() and 2 <= len(code) <= 3 else None)


def language_name(code: str) -> str:
    """The English name of a language, as Whisper has it; the code where there is none."""
    return next((name for name, known in _LANGUAGES.items() if known == code), code)


def read_transcription(answer: dict[str, Any]) -> TranscriptionResult:
    """Read a provider's JSON answer leniently: entries whose times make no sense are left out.

    Args:
        answer: an object whose `text` is a string.
    """
    answer = without_nul(answer)
    words = tuple(Word(*timed) for timed, _ in _timed(answer.get("words")))
    given = [(Segment(*timed), _signs(entry)) for timed, entry in _timed(answer.get("segments"))]
    segments = tuple(segment for segment, _ in given) or tuple(_sentences(words))
    text = answer["text"].strip()
    duration = _duration(answer, words, segments)
    if text and duration and not segments:
        segments = (Segment(text, 0.0, duration),)
    return TranscriptionResult(
        text=text,
        language=language_code(_language(answer)),
        duration=duration,
        segments=segments,
        words=words,
        raw=answer,
        signs=tuple(signs for _, signs in given),
        language_probability=_number(answer.get("language_probability")),
    )


def _timed(entries: Any) -> Iterator[tuple[tuple[str, float, float], dict[str, Any]]]:
    """Text, start and end of each usable entry of a list of words or segments, and the entry."""
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        text = entry.get("word") or entry.get("text")
        start, end = _seconds(entry.get("start")), _seconds(entry.get("end"))
        if isinstance(text, str) and text.strip() and start is not None and end is not None:
            yield (text.strip(), start, max(start, end)), entry


def _signs(entry: dict[str, Any]) -> Signs:
    return Signs(
        *(
            _number(entry.get(name))
            for name in ("avg_logprob", "no_speech_prob", "compression_ratio", "voice_prob")
        )
    )


def _seconds(value: Any) -> float | None:
    """`value` as a time, if it can be one."""
    seconds = _number(value)
    return seconds if seconds is not None and seconds >= 0 else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


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
    """Seconds of audio: as said, as billed, or up to the last word; 0.0 when unknown."""
    counted = answer.get("usage")
    billed = counted.get("seconds") if isinstance(counted, dict) else None
    last = max([word.end for word in words] + [part.end for part in segments], default=0.0)
    return _seconds(answer.get("duration")) or _seconds(billed) or last


def _language(answer: dict[str, Any]) -> str | None:
    """The language as the provider names it; the first, where it lists several."""
    listed = answer.get("languages")
    named = answer.get("language") or (listed[0] if isinstance(listed, list) and listed else None)
    return named if isinstance(named, str) else None
