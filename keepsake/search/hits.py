"""What a search finds: hits, and the query's words in their texts.

How they are found is in `fusion.py`, what they say about a record in `about.py`.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from keepsake.database import AsyncConnection
from keepsake.text.spans import passages

SNIPPET_WORDS = 80
# "Was" says nothing of what a German searches for, nor "what" in English: they are not marked.
STOP_WORDS_OF = [
    f"{language}_stem"
    for language in (
        "english", "german", "spanish", "french", "italian", "portuguese", "dutch"
    )
]  # fmt: skip


@dataclass(frozen=True)
class Hit:
    """The text of a record that fits best; a record is one hit.

    Attributes:
        kind: what the text is: `passage` (of what was said, written or saved), `story`, `quote`,
            `letter`, ...; see `filters.kinds`.
        text: a passage, or as much of a longer text: the stretch with the most of the words.
        by: who said it, or the site that published it.
        url: of the page, for a bookmark.
        starts_at, ends_at: seconds into the recording, None for written text.
        score: by which hits are ordered: the sum of 1 / (60 + rank) over the lists that the record
            is in (`fusion.py`).
        similarity: cosine of the text to the query; None where it has no vector.
        marks: the query's words in `text`: for each, its first character and the one after it.
    """

    record_id: int
    line: str
    title: str | None
    by: str | None
    url: str | None
    recorded_at: datetime
    kind: str
    text: str
    starts_at: float | None
    ends_at: float | None
    score: float
    similarity: float | None
    marks: tuple[tuple[int, int], ...] = ()


async def mark(connection: AsyncConnection, query: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits with the words of the query marked in their texts, and long texts cut.

    Of a text that is longer than a passage, the stretch with the most of the words is left.
    """
    words = await _significant_words(connection, query) if hits else set()
    return [_marked(hit, words) for hit in hits]


def _marked(hit: Hit, words: Collection[str]) -> Hit:
    stretches = [
        hit.text[span.start : span.end] for span in passages(hit.text, words=SNIPPET_WORDS)
    ]
    text = max(stretches, key=lambda stretch: len(_found(stretch, words)), default=hit.text)
    return replace(hit, text=text, marks=tuple(_marks(text, words)))


def _found(text: str, words: Collection[str]) -> set[str]:
    """Those of the words that a text has."""
    return {text[start:end].casefold() for start, end in _marks(text, words)}


async def _significant_words(connection: AsyncConnection, query: str) -> set[str]:
    """The words of a query that say what is searched for, in lower case: no stop words."""
    wanted = re.sub(r'(?<!\S)-("[^"]*"|\S+)', " ", query)  # without what is excluded
    words = [word for word in re.findall(r"\w+", wanted.casefold()) if word != "or"]
    cursor = await connection.execute(
        "SELECT word FROM unnest(%s::text[]) AS word WHERE NOT EXISTS"
        " (SELECT FROM unnest(%s::regdictionary[]) AS stem WHERE ts_lexize(stem, word) = '{}')",
        (words, STOP_WORDS_OF),
    )
    return {row[0] for row in await cursor.fetchall()}


def _marks(text: str, words: Collection[str]) -> Iterator[tuple[int, int]]:
    """The places of the words in a text."""
    for match in re.finditer(r"\w+", text):
        if match.group().casefold() in words:
            yield match.span()
