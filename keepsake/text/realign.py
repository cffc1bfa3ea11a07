"""Giving the words of a corrected transcript their times, from those of the words before it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from keepsake.text.spans import word_key, word_spans

TimedWord = tuple[str, float, float]  # text, start, end; seconds into the recording


@dataclass(frozen=True)
class _Times:
    start: float
    end: float


def realigned(text: str, before: Sequence[TimedWord]) -> list[TimedWord]:
    """The words of `text`, each with its times.

    Words that are in `before` keep their times, found by aligning the two sequences (difflib).
    Words between them share the time of those whose place they take, or the gap between their
    neighbours, by their length. `before` is in order; without it no word has a time.
    """
    old = list(_apart(before))
    spans = word_spans(text)
    if not old or not spans:
        return []
    keys = [word_key(text[span.start : span.end]) for span in spans]
    times: list[_Times] = []
    matcher = SequenceMatcher(None, [key for key, _ in old], keys)
    for same, from_old, to_old, from_new, to_new in matcher.get_opcodes():
        if same == "equal":
            times += [time for _, time in old[from_old:to_old]]
        elif from_new < to_new:
            lengths = [span.end - span.start for span in spans[from_new:to_new]]
            times += _shared(_room([time for _, time in old], from_old, to_old), lengths)
    # A word takes along what follows it up to the next one: each is found in the text again.
    ends = [*(span.start for span in spans[1:]), len(text)]
    starts = [0, *(span.start for span in spans[1:])]
    return [
        (text[start:end].strip(), time.start, time.end)
        for start, end, time in zip(starts, ends, times, strict=True)
    ]


def _apart(words: Sequence[TimedWord]) -> Iterator[tuple[str, _Times]]:
    """Each word by itself: what a transcriber calls one may hold several (`well-known`)."""
    for text, start, end in words:
        spans = word_spans(text)
        shares = _shared(_Times(start, end), [span.end - span.start for span in spans])
        for span, time in zip(spans, shares, strict=True):
            yield word_key(text[span.start : span.end]), time


def _room(times: Sequence[_Times], start: int, end: int) -> _Times:
    """The time of the words [start, end); of none, the gap where they would be."""
    if start < end:
        return _Times(times[start].start, times[end - 1].end)
    left = times[start - 1].end if start else times[0].start
    right = times[start].start if start < len(times) else times[-1].end
    return _Times(left, max(left, right))


def _shared(room: _Times, lengths: Sequence[int]) -> list[_Times]:
    """A stretch of time in parts, one after the other, in the ratio of `lengths`."""
    total = sum(lengths) or 1
    times = []
    at = 0
    for length in lengths:
        long = room.end - room.start
        start, end = (room.start + long * part / total for part in (at, at + length))
        times.append(_Times(round(start, 3), round(end, 3)))
        at += length
    return times
