"""A text with the time of each of its words, as a page shows it while the recording plays.

Also a text that is not word for word what was transcribed: a story without its hesitations, a
transcript that people corrected. Its words are aligned with those that have times.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from keepsake.text.realign import TimedWord, realigned
from keepsake.text.spans import Span, sentences, word_spans

_BLANK_LINE = re.compile(r"\n\s*\n\s*\Z")
_OPENS_NEXT = re.compile(r"(?<=\s)\S+\Z")  # a quotation mark stands before the word it belongs to


@dataclass(frozen=True)
class SpokenWord:
    """A word with the signs around it, and the second at which it begins; None: not known."""

    text: str
    starts_at: float | None


SpokenSentence = list[SpokenWord]
SpokenParagraph = list[SpokenSentence]


def spoken_text(text: str, words: Sequence[TimedWord]) -> list[SpokenParagraph]:
    """A text in paragraphs, sentences and words.

    Args:
        text: what is shown. A blank line is between paragraphs.
        words: those of the recording with their times, in order. Stretches of several words do as
            well. Without any, no word has a time.
    """
    said = word_spans(text)
    if not said:
        return [[[SpokenWord(text, None)]]]
    times: list[float | None] = [start for _, start, _ in realigned(text, words)]
    times = times or [None] * len(said)
    begins = [sentence.start for sentence in sentences(text)]
    found: list[SpokenParagraph] = [[]]
    sentence, before = 0, ""
    for word, shown, time in zip(said, _with_signs(text, said), times, strict=True):
        if _BLANK_LINE.search(before):
            found.append([])
        if (now := bisect_right(begins, word.start)) != sentence or not found[-1]:
            found[-1].append([])
        sentence, before = now, text[shown.start : shown.end]
        found[-1][-1].append(SpokenWord(before.strip("\n"), time))
    return found


def _with_signs(text: str, words: Sequence[Span]) -> Iterator[Span]:
    """The words with all that is between them, so that nothing of the text is left out."""
    begins = [0]
    for word, following in pairwise(words):
        gap = text[word.end : following.start]
        opening = _OPENS_NEXT.search(gap)
        begins.append(word.end + opening.start() if opening else following.start)
    for start, end in pairwise([*begins, len(text)]):
        yield Span(start, end)
