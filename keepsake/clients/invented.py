"""What a speech model wrote down though nobody said it, told by its times and the model's doubts.

Whisper fills music, noise and speech in a language that it does not know with words of its own:
farewells of videos, its prompt, the same phrase in a loop. Each rule here takes a whole segment
out, and says so. The thresholds are far from real speech: `docs/family-line.md` says how far.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from keepsake.clients.transcription_result import Segment, Signs, TranscriptionResult
from keepsake.text.spans import loops, word_keys

# Letters a second. People talk at 10 to 20, the fastest at 25; times of short segments are rough.
FASTEST, FASTEST_OF_SHORT = 28.0, 50.0
SHORT = 2.0  # seconds
NO_VOICE = 0.1  # mean probability of a voice; real words over loud music had 0.2 and more
NO_SPEECH = 0.6  # Whisper's own threshold, as OpenAI's decoder has it
DOUBTFUL = -0.9  # mean log probability; clear speech has -0.1 to -0.5
FAILED, REPEATED = -0.7, 2.4  # log probability and compression ratio of a decode that went wrong
STUTTER_BYTES, STUTTER = 100, 5.0  # compression ratio of a segment by itself; speech has 1 to 2
HOPELESS = -1.2  # log probability at which words were never right


def sift(
    heard: TranscriptionResult, *, hints: Sequence[str] = ()
) -> tuple[TranscriptionResult, list[dict[str, Any]]]:
    """What was heard without what nobody said, and an issue for each segment that is left out.

    Args:
        heard: what a model heard, its times in seconds from the start of what it was given.
        hints: the names that the model was given.
    """
    found = dict(_invented(heard, hints))
    issues = []
    for number, reason in found.items():
        segment = heard.segments[number]
        issues.append(
            {
                "kind": "dropped",
                "reason": reason,
                "words": len(word_keys(segment.text)),
                "start": round(segment.start, 2),
                "end": round(segment.end, 2),
            }
        )
    return heard.without([heard.segment_places[number] for number in found]), issues


def doubtful_share(heard: TranscriptionResult) -> float:
    """The share of letters that stand in segments that are invented or that the model doubts."""
    letters = doubted = 0
    invented = dict(_invented(heard, ()))
    for number, (segment, signs) in enumerate(zip(heard.segments, heard.signs, strict=False)):
        letters += _letters(segment)
        if number in invented or (signs.avg_logprob or 0.0) < DOUBTFUL:
            doubted += _letters(segment)
    return doubted / letters if letters else 0.0


def clearness(heard: TranscriptionResult) -> float:
    """The mean log probability of what somebody said; -inf where none is told or nothing left."""
    invented = dict(_invented(heard, ()))
    told = [
        (_letters(segment), signs.avg_logprob)
        for number, (segment, signs) in enumerate(zip(heard.segments, heard.signs, strict=False))
        if number not in invented and signs.avg_logprob is not None
    ]
    letters = sum(count for count, _ in told)
    return sum(count * sure for count, sure in told) / letters if letters else -math.inf


def _invented(heard: TranscriptionResult, hints: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The number of each segment that nobody said, and which rule tells."""
    prompts = [word_keys(hint) for hint in (" ".join(hints), *hints) if hint]
    for number, segment in enumerate(heard.segments):
        signs = heard.signs[number] if heard.signs else Signs()
        if reason := _reason(segment, signs, heard.duration, prompts):
            yield number, reason


def _reason(
    segment: Segment, signs: Signs, duration: float, prompts: list[list[str]]
) -> str | None:
    if _repeats(word_keys(segment.text), prompts):
        return "hint"
    if duration and segment.start >= duration:
        return "outside"
    if _too_fast(segment):
        return "rate"
    return "repeated" if _stutters(segment.text) else _unheard(signs)


def _repeats(words: list[str], prompts: list[list[str]]) -> bool:
    """Whether these are the words of all hints, or of one of them three times or more."""
    for number, prompt in enumerate(prompts):
        times = len(words) // len(prompt) if prompt else 0
        if times >= (1 if number == 0 else 3) and words == prompt * times:
            return True
    return False


def _too_fast(segment: Segment) -> bool:
    seconds = segment.end - segment.start
    # One word may have no length: its neighbours took it.
    if len(word_keys(segment.text)) < 2:
        return False
    fastest = FASTEST if seconds >= SHORT else FASTEST_OF_SHORT
    return _letters(segment) > fastest * seconds


def _stutters(text: str) -> bool:
    """Whether it is the same few signs over and over, with no words that `loops` could find."""
    plain = text.encode()
    if len(plain) < STUTTER_BYTES or loops(text.split()):
        return False
    return len(plain) > STUTTER * len(zlib.compress(plain))


def _unheard(signs: Signs) -> str | None:
    sure = signs.avg_logprob if signs.avg_logprob is not None else 0.0
    silent = (signs.no_speech_prob or 0.0) > NO_SPEECH
    voice = signs.voice_prob if signs.voice_prob is not None else 1.0
    if silent and (voice < NO_VOICE or sure < -1.0):
        return "no speech"
    if sure < FAILED and (signs.compression_ratio or 0.0) > REPEATED:
        return "repeated"
    return "unsure" if sure < HOPELESS else None


def _letters(segment: Segment) -> int:
    return sum(map(len, word_keys(segment.text)))
