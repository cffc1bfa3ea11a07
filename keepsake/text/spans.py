"""Text as spans: sentences, passages, verbatim search, and the time at which a span is said.

Everything here works on character spans of one unchanging string, so that what is quoted, tagged
or embedded can always be traced to the words and the seconds it came from. Nothing here calls a
model or reads a store.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from keepsake.text.grounding import ungrounded

# One CJK character counts as a word; elsewhere a word is a run of letters, digits and apostrophes.
_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}_]+(?:['’][^\W{_CJK}_]+)*")
_SENTENCE_END = re.compile(r"[.!?…؟۔।]+[\"'”’»)\]]*(?=\s|$)|[。！？]+[」』”]*|\n\s*\n|$")
_ABBREVIATIONS = frozenset(
    ["mr", "mrs", "ms", "dr", "st", "prof", "sr", "jr", "vs", "capt", "lt", "rev", "e.g", "i.e"]
)
# Words that nothing should end with: they lead to the next.
_LEADING = frozenset(
    ["a", "an", "and", "as", "at", "because", "but", "by", "for", "from", "had", "he", "his", "i",
     "in", "into", "is", "it", "its", "my", "of", "on", "or", "our", "she", "so", "than", "that",
     "the", "their", "they", "to", "until", "was", "we", "were", "when", "who", "with", "you",
     "aber", "als", "auf", "das", "dass", "dem", "den", "der", "des", "die", "ein", "eine", "einem",
     "einen", "einer", "er", "ich", "im", "mit", "sie", "um", "und", "von", "war", "weil", "wir",
     "zu", "con", "de", "del", "el", "en", "la", "las", "los", "para", "por", "que", "un", "una",
     "y", "au", "avec", "dans", "du", "est", "et", "il", "je", "le", "les", "nous", "pour", "une"]
)  # fmt: skip
# The dot of `4. Mai 1958` ends no sentence.
_GERMAN_DAY = re.compile(
    r"(?<=\d)\. (?:Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|"
    r"Dezember)\b"
)
# A hesitation of one language is a word of another: German and Dutch say er, Portuguese says um.
_HESITATIONS = "[Uu]h+|[Hh]m+|[Mm]hm|[Ää]h+m*|[Öö]h+|[Ee]uh+"
_ENGLISH_HESITATIONS = f"{_HESITATIONS}|[Uu]m+|[Ee]rm*"
_STUTTER = re.compile(r"\b([^\W\d]\w*)(?:,?\s+\1\b){2,}", re.IGNORECASE)
_SMALL_STUTTER = re.compile(
    r"\b(I|a|an|the|and|but|to|of|in|we|he|she|it|they|my|so)\s+\1\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Span:
    """Characters [start, end) of a text."""

    start: int
    end: int


@dataclass(frozen=True)
class Timed:
    """A stretch of a recording, in seconds."""

    start: float
    end: float


def word_keys(text: str) -> list[str]:
    """The words of `text` as they are compared."""
    return [word_key(word) for word in _WORD.findall(text)]


def word_key(word: str) -> str:
    """A word without case, typographic apostrophes and compatibility forms."""
    if word.isascii():
        return word.lower()
    return unicodedata.normalize("NFKC", word).casefold().replace("’", "'")


def word_count(text: str) -> int:
    """Words in `text`; a CJK character counts as one."""
    return len(_WORD.findall(text))


def word_spans(text: str) -> list[Span]:
    """Where the words of `text` are."""
    return [Span(*match.span()) for match in _WORD.finditer(text)]


def text_key(text: str) -> str:
    """`text` without case and punctuation: equal for texts that say the same words."""
    return " ".join(word_keys(text))


def sentences(text: str) -> list[Span]:
    """The sentences of `text` in order, without surrounding space; a blank line ends one too."""
    found: list[Span] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if match[0].startswith(".") and _is_abbreviation(text, start, match.start()):
            continue
        if _GERMAN_DAY.match(text, match.start()):
            continue
        if match[0].endswith(("..", "…")) and text[match.end() + 1 : match.end() + 2].islower():
            continue  # it trails off and goes on
        span = _trim(text, start, match.end())
        if span is not None:
            found.append(span)
        start = match.end()
    return found


def _is_abbreviation(text: str, start: int, dot: int) -> bool:
    """Whether the dot ends `Dr.` or an initial rather than a sentence."""
    word = text[start:dot].rsplit(None, 1)[-1:] or [""]
    last = word[0].strip("\"'“‘(").casefold()
    return last in _ABBREVIATIONS or (len(last) == 1 and last.isalpha() and last != "i")


def _trim(text: str, start: int, end: int) -> Span | None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end) if start < end else None


def passages(text: str, *, words: int = 150) -> list[Span]:
    """`text` cut at sentence ends into spans of about `words` words.

    A sentence longer than twice that is cut between words. A short rest joins its predecessor.
    """
    return _grouped(text, _bounded(text, sentences(text), 2 * words), words)


def chunks(text: str, *, words: int) -> list[Span]:
    """`text` cut at sentence ends into spans of at most `words` words: what fits one model call."""
    if word_count(text) <= words:  # as nearly every response does, for each of its steps
        whole = _trim(text, 0, len(text))
        return [whole] if whole else []
    pieces = _bounded(text, sentences(text), words)
    return list(_filled(text, pieces, words))


def _bounded(text: str, spans: Iterable[Span], words: int) -> Iterator[Span]:
    """The spans, those longer than `words` cut between words."""
    for span in spans:
        starts = [match.start() for match in _WORD.finditer(text, span.start, span.end)]
        cuts = starts[words::words]
        for start, end in zip([span.start, *cuts], [*cuts, span.end], strict=True):
            if piece := _trim(text, start, end):
                yield piece


def _filled(text: str, spans: Iterable[Span], words: int) -> Iterator[Span]:
    """Neighbours joined for as long as they stay within `words`."""
    start = end = count = 0
    for span in spans:
        size = word_count(text[span.start : span.end])
        if count and count + size > words:
            yield Span(start, end)
            count = 0
        if not count:
            start = span.start
        end, count = span.end, count + size
    if end > start:
        yield Span(start, end)


def _grouped(text: str, spans: Iterable[Span], words: int) -> list[Span]:
    """Neighbours joined until they reach `words`; a rest under a third joins the one before."""
    groups: list[Span] = []
    start, count = -1, 0
    end = 0
    for span in spans:
        start = span.start if start < 0 else start
        end = span.end
        count += word_count(text[span.start : span.end])
        if count >= words:
            groups.append(Span(start, end))
            start, count = -1, 0
    if start >= 0:
        if groups and count < words / 3:
            groups[-1] = Span(groups[-1].start, end)
        else:
            groups.append(Span(start, end))
    return groups


class Spoken:
    """A text with the times its words are said at, if they are known.

    `words` are (text, start, end) as a transcriber gives them, seconds ascending. Words are found
    in the text in order; one that cannot be found gives no time.
    """

    def __init__(self, text: str, words: Sequence[tuple[str, float, float]] = ()) -> None:
        self.text = text
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._times: list[Timed] = []
        position = 0
        for word, start, end in words:
            needle = word.strip()
            at = text.find(needle, position) if needle else -1
            if at < 0:
                continue
            position = at + len(needle)
            self._starts.append(at)
            self._ends.append(position)
            self._times.append(Timed(start, end))

    @cached_property
    def sentences(self) -> list[Span]:
        """The sentences in order."""
        return sentences(self.text)

    def time(self, span: Span) -> Timed | None:
        """When the words of `span` are said; None if that is not known."""
        first = bisect_right(self._ends, span.start)
        last = bisect_left(self._starts, span.end) - 1
        if first > last:
            return None
        return Timed(self._times[first].start, self._times[last].end)

    def find(self, quote: str) -> Span | None:
        """Where the words of `quote` are, in order and without a gap, or None.

        Case, punctuation and typographic forms do not count. The span takes the closing
        punctuation along.
        """
        wanted = word_keys(quote)
        if not wanted:
            return None
        for at in self._where.get(wanted[0], ()):
            if self._keys[at : at + len(wanted)] == wanted:
                start, _ = self._places[at]
                _, end = self._places[at + len(wanted) - 1]
                return Span(start, self._with_punctuation(end))
        return None

    @cached_property
    def _keys(self) -> list[str]:
        return word_keys(self.text)

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        """Where the word of each key is."""
        return [match.span() for match in _WORD.finditer(self.text)]

    @cached_property
    def _where(self) -> dict[str, list[int]]:
        where: dict[str, list[int]] = {}
        for at, key in enumerate(self._keys):
            where.setdefault(key, []).append(at)
        return where

    def _with_punctuation(self, end: int) -> int:
        while end < len(self.text) and self.text[end] in '.!?…؟۔।。！？"”’»':
            end += 1
        return end


@dataclass(frozen=True)
class Loop:
    """Words that a transcriber repeated over and over: token indexes [start, end), `times` over."""

    start: int
    end: int
    length: int
    times: int


def loops(words: Sequence[str], *, longest: int = 12, at_least: int = 4) -> list[Loop]:
    """Runs of the same 1 to `longest` words said `at_least` times in a row (8 for one word).

    Speech models fall into such loops on silence and music with high confidence, so only the text
    shows it.
    """
    keys = [word_key(word.strip(" .,!?;:…\"'“”")) for word in words]
    found: list[Loop] = []
    at = 0
    while at < len(keys):
        loop = _loop_at(keys, at, longest, at_least)
        if loop is None:
            at += 1
        else:
            found.append(loop)
            at = loop.end
    return found


def _loop_at(keys: list[str], at: int, longest: int, at_least: int) -> Loop | None:
    for length in range(1, longest + 1):
        unit = keys[at : at + length]
        times = 1
        while keys[at + times * length : at + (times + 1) * length] == unit:
            times += 1
        if any(unit) and times >= (2 * at_least if length == 1 else at_least):
            return Loop(at, at + times * length, length, times)
    return None


def clean_speech(text: str, language: str | None = None) -> str:
    """Spoken text made readable without a single word that was not said.

    Takes out hesitations and stutters, fixes spacing and capitals at sentence starts. By rule, not
    by a model: what only removes cannot add a fact. `language` is an ISO 639 code, None where it is
    not known: then only what is a word in no language goes (uh, hm, äh), in English also um, er and
    a small word said twice.
    """
    english = language == "en"
    hesitation = _hesitation(_ENGLISH_HESITATIONS if english else _HESITATIONS)
    clean = hesitation.sub("", text)
    clean = _STUTTER.sub(r"\1", clean)
    if english:
        clean = _SMALL_STUTTER.sub(r"\1", clean)
    clean = re.sub(r"[ \t]+", " ", clean)
    # From the first space on only: else each of many blank lines is a start of its own to try.
    clean = re.sub(r"(?<!\s)\s+([,.;:!?…])", r"\1", clean)
    clean = re.sub(r"^[\s,;:]+", "", clean)
    clean = re.sub(r",(\s*[.!?])", r"\1", clean)
    # Who said nothing but "um" is left with it.
    return _with_capitals(clean.strip() if _WORD.search(clean) else text.strip())


@cache
def _hesitation(words: str) -> re.Pattern[str]:
    """Finds them with the pause behind them; the end of a sentence stays, unless it is all hm."""
    word = rf"(?<![\w'’-])(?:{words})(?![\w'’-])"
    return re.compile(
        rf"(?:^|(?<=[.!?…]\s)|(?<=\n)){word}[,.…]*[ \t]*|{word}(?:,|…|\.{{2,}})*[ \t]*"
    )


def _with_capitals(text: str) -> str:
    starts = {span.start for span in sentences(text)}
    return "".join(c.upper() if at in starts else c for at, c in enumerate(text))


def opening(text: str, *, words: int) -> str:
    """How a text begins: its first sentence, or as much of it as `words` hold, with an ellipsis.

    Cut between words, so that no number loses a part; at the last comma, if there is one late
    enough.
    """
    first = next((text[s.start : s.end] for s in sentences(text)), "")
    if word_count(first) <= words:
        return " ".join(first.split())
    if word_count(begun := _leading_parts(first, words)) > words:  # a script without spaces
        begun = begun[: [match.end() for match in _WORD.finditer(begun)][words - 1]]
    clause = re.match(r"(.*)[,;:–—]\s", begun, re.DOTALL)
    if clause and 2 * word_count(clause[1]) >= words:
        begun = clause[1]
    while " " in begun and _breaks_off(begun, first):
        begun = begun.rpartition(" ")[0]
    return begun.rstrip(" ,;:.-–—") + "…"


def _leading_parts(text: str, words: int) -> str:
    """As many parts between spaces as `words` words hold, at least one.

    Each part is counted once: a transcript may have no full stop in two hours.
    """
    parts: list[str] = []
    for part in text.split():
        words -= word_count(part)
        if parts and words < 0:
            break
        parts.append(part)
    return " ".join(parts)


def _breaks_off(begun: str, whole: str) -> bool:
    """Whether a beginning ends in a word that needs the next, or within `fifty eight`."""
    last = word_key(begun.rpartition(" ")[2].strip(",;:.-–—"))
    return last in _LEADING or bool(ungrounded(begun, [whole]))


def shortened(text: str, longest: int) -> str:
    """`text`, or as many of its words as `longest` characters hold, with an ellipsis."""
    if len(text) <= longest:
        return text
    begun = text[: longest - 1]
    return (begun.rpartition(" ")[0] or begun).rstrip(" ,;:.-–—…") + "…"


def paragraphs(text: str, *, words: int = 90) -> str:
    """`text` with a blank line about every `words` words, at sentence ends."""
    return "\n\n".join(text[s.start : s.end] for s in passages(text, words=words))


_PROPER = re.compile(r"(?<![.!?…\"“]\s)(?<!^)\b[A-ZÀ-Þ][\w'’-]+|\d+(?:[.,]\d+)*")


def invented(text: str, source: str) -> list[str]:
    """Names and numbers in `text` that are not in `source`.

    A name is a capitalised word that does not begin a sentence. A cheap test for facts that a
    model made up; it finds what can be found by comparing, not every falsehood.
    """
    known = set(word_keys(source))
    return [
        match[0]
        for match in _PROPER.finditer(text)
        if not all(_known(key, known) for key in word_keys(match[0]))
    ]


def _known(key: str, known: set[str]) -> bool:
    return key in known or key.removesuffix("'s") in known or f"{key}'s" in known
