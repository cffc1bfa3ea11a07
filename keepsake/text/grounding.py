"""Numbers in what a model wrote, held against the facts that it was given.

The rule: **every number in a text must be in the facts.** Nothing is rounded, converted or
added up: who wants a rounded number in a letter gives it as a fact.

A number is

- a run of digits, with what groups and parts them: `10`, `10.02`, `10,02`, `1,234`, `7th`, `5k`.
  Equal values are one number: `10.0` is `10`, `1,234` is `1234` and in other countries `1.234`;
- a time: `52:13`, `5'13"`, `1:02:13`, `5 min 13 s`, `fifty-two minutes and thirteen seconds`, `an
  hour and two minutes`, `half an hour`. The facts' `52:13` also says `52 minutes`, as people leave
  the seconds out; it does not say `13`, nor a `52` without its unit. And `52` of something else
  does not say `52 minutes`;
- a number in English words: `eleven`, `twenty-one`, `a hundred and fifty`, `seventh`, `twice`,
  `a dozen`, `thousands`; and a fraction beside another, `and a half` or `½`.

Units of other kinds are not compared, and signs are not: `12` is `12`, of whatever. These are
no numbers, since they are words first: `one`, `once`, `first`, `second`, `half`, `an hour`,
`marathon`.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

_ONES = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9,
}  # fmt: skip
_TEENS = {
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_ODD_ORDINALS = {
    "first": "one", "second": "two", "third": "three", "fifth": "five", "eighth": "eight",
    "ninth": "nine", "twelfth": "twelve",
}  # fmt: skip
_OTHERS = {"twice": 2, "thrice": 3, "dozen": 12, "dozens": 12}
_IDIOMS = {"one", "first", "second"}


def _cardinals() -> dict[str, str]:
    """Every word of a number, ordinals and plurals too, with its cardinal."""
    plain = (*_ONES, *_TEENS, *_TENS, *_SCALES)
    regular = {
        word.removesuffix("y") + ("ieth" if word[-1] == "y" else "th"): word for word in plain
    }
    return {word: word for word in plain} | regular | _ODD_ORDINALS | {f"{s}s": s for s in _SCALES}


_CARDINAL = _cardinals()
_WORD = "|".join(sorted({*_CARDINAL, *_OTHERS}, key=len, reverse=True))
_GAP = r"[\s\u2010\u2011-]*"  # also the hyphens of typographers, at which no line may break
_NUMBER = re.compile(
    r"(?P<clock>\d+(?::\d\d){1,2}(?!\d))"
    r"|(?P<primes>\d+\s?['′’]\s?\d\d(?!\d)(?:\s?(?:[\"″”]|''|’’))?)"
    r"|(?P<digits>\d+(?:[.,'’\u00a0\u202f]?\d+)*)"
    r"|(?P<sign>[¼-¾⅐-↉①-⓿])"
    r"|\b(?P<rest>and\s+a\s+half(?![\w-]|\s+marathon))"
    r"|\b(?P<half>half(?:[\s-]+an)?(?=[\s-]+hour))"
    r"|\b(?P<quarter>quarters?(?:\s+of\s+an)?(?=[\s-]+hour))"
    r"|\b(?P<single>an(?=\s+hour\b)|one(?=\s+(?:hour|minute)\b)|a(?=\s+minute\s+and\b))"
    rf"|\b(?P<words>(?:{_WORD})(?:(?:\s+and\s+|{_GAP})(?:{_WORD}))*)\b",
    re.IGNORECASE,
)
_UNIT = re.compile(
    rf"{_GAP}(?:(?P<h>hours?|hrs?|h)|(?P<min>minutes?|mins?|m(?=\s?\d+\s?s))|"
    r"(?P<s>seconds?|secs?|s))(?![^\W\d_])",
    re.IGNORECASE,
)
_SECONDS = {"h": 3600, "min": 60, "s": 1}
_BETWEEN = re.compile(r"[\s,]*(?:and\s+)?", re.IGNORECASE)

Value = tuple[Literal["number", "time"], Decimal]


@dataclass(frozen=True)
class Number:
    """A number as a text has it, and each value that it can be read as (times in seconds)."""

    text: str
    readings: frozenset[Value]
    # What else a fact says: a time whose end is left out, or the number of a lone `52 min`.
    also: frozenset[Value] = frozenset()


def ungrounded(text: str, facts: Iterable[str]) -> list[str]:
    """The numbers of `text`, as written there, that are not in the facts."""
    known: set[Value] = set()
    for fact in facts:
        for number in numbers(fact):
            known |= number.readings | number.also
    return [number.text for number in numbers(text) if known.isdisjoint(number.readings)]


def numbers(text: str) -> list[Number]:
    """Every number in `text`, in order."""
    times = _times(text, _found(text))
    return [_joined(text, parts) for parts in times if len(parts) > 1 or not parts[0].idiom]


@dataclass(frozen=True)
class _Found:
    """A number and where it is; `end` is behind its unit of time, if it has one."""

    start: int
    end: int
    readings: frozenset[Value]
    unit: str | None = None
    idiom: bool = False  # no number by itself, as `an hour`

    @property
    def value(self) -> Decimal:
        """The value in digits; of two readings the smaller."""
        return min(value for _, value in self.readings)


def _found(text: str) -> Iterator[_Found]:
    end = 0
    for match in _NUMBER.finditer(text):
        if match["rest"] and (not end or text[end : match.start()].strip()):
            continue  # `and a half moon`: no number goes before it
        for number in _read(text, match):
            yield number
            end = number.end


def _read(text: str, match: re.Match[str]) -> Iterator[_Found]:
    if match["clock"] or match["primes"]:
        parts = [int(part) for part in re.findall(r"\d+", match[0])]
        yield _Found(*match.span(), _clock(parts))
    elif match["digits"] and (values := _digits(match[0])):
        yield _with_unit(text, *match.span(), values)
    elif match["digits"]:  # a date or a version: each part for itself
        for part in re.compile(r"\d+").finditer(text, *match.span()):
            yield _with_unit(text, *part.span(), {Decimal(part[0])})
    elif match["sign"]:
        yield _with_unit(text, *match.span(), {Decimal(str(unicodedata.numeric(match[0])))})
    elif match["rest"] or match["half"] or match["quarter"]:
        yield _with_unit(text, *match.span(), {Decimal("0.25" if match["quarter"] else "0.5")})
    elif match["single"]:
        yield replace(_with_unit(text, *match.span(), {Decimal(1)}), idiom=True)
    else:
        for start, end, value in _in_words(text, match.start(), match.end()):
            yield _with_unit(text, start, end, {Decimal(value)})


def _with_unit(text: str, start: int, end: int, values: set[Decimal]) -> _Found:
    readings: frozenset[Value] = frozenset(("number", value) for value in values)
    unit = _UNIT.match(text, end)
    if unit is None or unit.lastgroup is None:
        return _Found(start, end, readings)
    return _Found(start, unit.end(), readings, unit.lastgroup)


def _clock(parts: list[int]) -> frozenset[Value]:
    seconds = 0
    for part in parts:
        seconds = 60 * seconds + part
    return frozenset({("time", Decimal(seconds))})


def _digits(text: str) -> set[Decimal]:
    """The values that digits can mean: `1,234` is a thousand and more, or one and a bit."""
    text = re.sub(r"['’\u00a0\u202f]", "", text)
    values = set()
    if re.fullmatch(r"\d+(?:[.,]\d+)?", text):
        values.add(Decimal(text.replace(",", ".")))
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", text):
        values.add(Decimal(text.replace(",", "")))
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?", text):
        values.add(Decimal(text.replace(".", "").replace(",", ".")))
    return values


def _in_words(text: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The numbers of a run of number words: `twenty-one` is one number, `five thirteen` are two."""
    run: list[re.Match[str]] = []
    for word in re.compile(_WORD, re.IGNORECASE).finditer(text, start, end):
        if run and not _continues(text, run, word):
            yield from _value(run)
            run = []
        run.append(word)
    yield from _value(run)


def _continues(text: str, run: list[re.Match[str]], word: re.Match[str]) -> bool:
    """Whether a word carries on the number that the words before it began."""
    last, this = run[-1][0].lower(), word[0].lower()
    if last not in (*_ONES, *_TEENS, *_TENS, *_SCALES) or this in _OTHERS:
        return False  # an ordinal or a plural ends a number
    if _CARDINAL[this] in _SCALES:
        return True
    if "and" in text[run[-1].end() : word.start()].lower() and last not in _SCALES:
        return False
    return last in _SCALES or (last in _TENS and _CARDINAL[this] in _ONES)


def _value(run: list[re.Match[str]]) -> Iterator[tuple[int, int, int]]:
    words = [word[0].lower() for word in run]
    if not run or (len(words) == 1 and words[0] in _IDIOMS):
        return
    total = current = 0
    for word in words:
        cardinal = _CARDINAL.get(word, word)
        if cardinal in _SCALES and cardinal != "hundred":
            total, current = total + max(current, 1) * _SCALES[cardinal], 0
        elif cardinal == "hundred":
            current = max(current, 1) * 100
        else:
            current += (_ONES | _TEENS | _TENS | _OTHERS)[cardinal]
    yield run[0].start(), run[-1].end(), total + current


def _times(text: str, found: Iterable[_Found]) -> Iterator[list[_Found]]:
    """Numbers that together are one time, such as `5 min 13 s`; every other one for itself."""
    parts: list[_Found] = []
    for number in found:
        if parts and not _goes_on(text, parts[-1], number):
            yield parts
            parts = []
        parts.append(number)
    if parts:
        yield parts


def _goes_on(text: str, before: _Found, number: _Found) -> bool:
    if not (before.unit and number.unit):
        return False
    gap = text[before.end : number.start]
    return _SECONDS[number.unit] < _SECONDS[before.unit] and bool(_BETWEEN.fullmatch(gap))


def _joined(text: str, parts: list[_Found]) -> Number:
    first = parts[0]
    shown = text[first.start : parts[-1].end]
    if first.unit is None:
        return Number(shown, first.readings, _shortened(first.readings))
    seconds = sum((part.value * _SECONDS[part.unit or "s"] for part in parts), Decimal())
    time: frozenset[Value] = frozenset({("time", seconds)})
    alone = first.readings if len(parts) == 1 else frozenset()
    return Number(shown, time, _shortened(time) | alone)


def _shortened(readings: frozenset[Value]) -> frozenset[Value]:
    """A time down to its minute, and down to its hour."""
    times = [value for kind, value in readings if kind == "time"]
    return frozenset(
        ("time", value - value % whole) for value in times for whole in (60, 3600) if value >= whole
    )
