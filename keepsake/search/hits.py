"""What a search finds: hits, and the query's words in their texts.

How they are found is in `passages.py` and `words.py`, what they say about a record in `about.py`.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.sql import Composed

from keepsake.database import AsyncConnection
from keepsake.text.spans import passages

SNIPPET_WORDS = 80
MOST_MATCHES = 2_000  # passages with the words that one search ranks; of more, those found first
RANK_CONSTANT = 60  # of reciprocal rank fusion: how slowly a lower rank loses weight
# "Was" says nothing of what a German searches for, nor "what" in English: they are not marked.
STOP_WORDS_OF = [
    f"{language}_stem"
    for language in (
        "english", "german", "spanish", "french", "italian", "portuguese", "dutch"
    )
]  # fmt: skip


@dataclass(frozen=True)
class Hit:
    """The passage of a record that fits best; a record is one hit.

    Attributes:
        by: who said it, or the site that published it.
        url: of the page, for a bookmark.
        starts_at, ends_at: seconds into the recording, None for written text.
        score: by which hits are ordered: the sum of 1 / (60 + rank) over both searches.
        similarity: cosine to the query; None where there is no vector yet.
        marks: the query's words in `text`: for each, its first character and the one after it.
    """

    record_id: int
    line: str
    title: str | None
    by: str | None
    url: str | None
    recorded_at: datetime
    text: str
    starts_at: float | None
    ends_at: float | None
    score: float
    similarity: float | None
    marks: tuple[tuple[int, int], ...] = ()


async def fetch_hits(
    connection: AsyncConnection, statement: Composed, parameters: Mapping[str, Any]
) -> list[Hit]:
    """The rows of a search, which has a column for each field of a hit but `marks`."""
    async with connection.cursor(row_factory=class_row(Hit)) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()


async def mark(connection: AsyncConnection, query: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits with the words of the query marked in their texts."""
    words = await _significant_words(connection, query) if hits else set()
    return [replace(hit, marks=tuple(_marks(hit.text, words))) for hit in hits]


async def cut_and_mark(connection: AsyncConnection, query: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits with one marked stretch of each text: the first with a word of the query, if any."""
    words = await _significant_words(connection, query) if hits else set()
    return [_cut(hit, words) for hit in hits]


def _cut(hit: Hit, words: Collection[str]) -> Hit:
    stretches = [hit.text[s.start : s.end] for s in passages(hit.text, words=SNIPPET_WORDS)]
    marked = [(stretch, tuple(_marks(stretch, words))) for stretch in stretches]
    text, marks = next((each for each in marked if each[1]), marked[0])
    return replace(hit, text=text, marks=marks)


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
