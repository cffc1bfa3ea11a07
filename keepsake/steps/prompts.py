"""What the prompts of all lines share: fences around words, and what a weak model may answer.

Words are data. They are in a fence that they cannot close, after instructions that say so, and
whatever comes back is checked against them.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal

from keepsake.steps.tools import Tools
from keepsake.text.spans import chunks, sentences, word_count

FEW = 2  # choices that a weak model is left with: looking by meaning judges better than it does
SENTENCE_WORDS = range(5, 46)  # of a sentence that makes sense alone


def fenced(text: str, name: str) -> str:
    """A text between `<name>` and `</name>`, which it cannot close itself."""
    inside = text.replace(f"<{name}>", f"‹{name}›").replace(f"</{name}>", f"‹/{name}›")
    return f"<{name}>\n{inside}\n</{name}>"


async def condensed(text: str, tools: Tools, *, sum_up: Callable[[str], Awaitable[str]]) -> str:
    """A text, if one call holds it; else what `sum_up` makes of its parts, joined."""
    while len(parts := chunks(text, words=tools.settings.chat_words)) > 1:
        summed = "\n\n".join([await sum_up(text[part.start : part.end]) for part in parts])
        if len(summed) >= len(text):
            break  # parts so short that nothing is gained by summing them up
        text = summed
    return text


def whole_sentences(text: str, *, least: int = SENTENCE_WORDS.start) -> list[str]:
    """The sentences of a text that make sense alone, in order: of `least` words or more."""
    said = [text[span.start : span.end] for span in sentences(text)]
    return [each for each in said if least <= word_count(each) < SENTENCE_WORDS.stop]


async def nearest(choices: Iterable[str], to: str, tools: Tools, *, few: int = FEW) -> list[str]:
    """The few choices nearest in meaning to a text, the nearest first."""
    distinct = list(dict.fromkeys(choices))
    if len(distinct) < 2:
        return distinct
    (alike,) = await tools.models.embeddings.similarity([to], distinct)
    return [distinct[at] for at in (-alike).argsort()[:few]]


def one_of(choices: Iterable[str]) -> Any:
    """A type that admits only these strings. There must be one: else a model writes freely."""
    return Literal[tuple(choices)]
