"""How long a search takes among 100,000 passages, for a small, a middling and a large owner.

With row-level security policies in force, as the API searches. Vectors lie in clusters, as topics
do; words are as frequent as in a language (Zipf), so that some are in nearly every passage. Records
of all owners are mixed, which is the worst order for reading those of one. Recall is held against
an exact comparison with each passage of the owner.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from pgvector import HalfVector
from psycopg.sql import SQL

from benchmarks.results import Figure
from keepsake.database import Pool, connect, migrate, open_pool, owner_transaction
from keepsake.embedded import postgres
from keepsake.owners import owners
from keepsake.search.filters import Filters
from keepsake.search.fusion import CANDIDATES, find
from keepsake.search.index import EXACT_UP_TO, ensure_vector_index
from keepsake.search.passages import Meaning
from keepsake.search.search import search
from keepsake.search.words import IN_PASSAGES, parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

MODEL, DIMENSIONS = "benchmark", 512
PASSAGES = 100_000
SIZES = (200, 10_000, 50_000)  # passages of the owners that search
OTHERS = 50  # owners who share the rest
OF_A_RECORD = 10
KEYWORDS = 5  # of a record, which has a summary as well
QUERIES = 60
WORDS_OF_A_PASSAGE = 80
TOPICS, MEANINGS = 400, 48  # clusters, and the dimensions in which they differ
SYLLABLES = ("ka", "mo", "ru", "ti", "se", "no", "la", "pe", "du", "vi", "bra", "sto", "len", "mar")


def run() -> list[Figure]:
    """Fill a database of its own, and search in it as each owner."""
    language, topics = Language(), Topics()
    with _filled(language, topics) as (url, owner_ids):
        return asyncio.run(_measured(url, owner_ids, language, topics))


class Language:
    """Made-up words, the most frequent first."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        count = len(SYLLABLES) ** 3
        self.words = [self._word(number) for number in range(count)]
        chances = 1 / np.arange(1, count + 1)
        self._chances = chances / chances.sum()

    def passages(self, count: int) -> list[str]:
        """Texts of as many words as a passage has."""
        drawn = self.random.choice(
            len(self.words), size=(count, WORDS_OF_A_PASSAGE), p=self._chances
        )
        return [" ".join(self.words[number] for number in row) for row in drawn]

    def query(self) -> str:
        """A frequent word, and two that say what is searched for."""
        bounds = ((0, 10), (50, 500), (50, 500))
        return " ".join(self.words[self.random.integers(*bound)] for bound in bounds)

    def _word(self, number: int) -> str:
        base, word = len(SYLLABLES), ""
        while number or not word:
            number, syllable = divmod(number, base)
            word += SYLLABLES[syllable]
        return word


class Topics:
    """Unit vectors around the centres of topics."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(1)
        self._centres = self.random.normal(size=(TOPICS, MEANINGS))
        self._axes = self.random.normal(size=(MEANINGS, DIMENSIONS)) / np.sqrt(MEANINGS)

    def vectors(self, count: int) -> "Vectors":
        """Each of a topic of its own."""
        of_topics = self._centres[self.random.integers(0, TOPICS, size=count)]
        meant = of_topics + 0.8 * self.random.normal(size=(count, MEANINGS))
        vectors = meant @ self._axes + 0.15 * self.random.normal(size=(count, DIMENSIONS))
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit.astype(np.float32)


@contextmanager
def _filled(language: Language, topics: Topics) -> Iterator[tuple[str, list[int]]]:
    """URL of a database with all passages, and the owners that search."""
    with tempfile.TemporaryDirectory(prefix="keepsake-", ignore_cleanup_errors=True) as folder:
        url = postgres.ensure_running(Path(folder))
        try:
            migrate(url)
            with connect(url) as connection:
                ids = [owners.add_owner(connection, f"Owner {n}").id for n in range(OTHERS + 3)]
            asyncio.run(_fill(url, ids, language, topics))
            with connect(url) as connection:
                connection.execute("SET maintenance_work_mem = '1GB'")
                ensure_vector_index(connection, MODEL, DIMENSIONS)
                connection.execute("VACUUM ANALYZE passages, records, summaries, keywords")
            yield url, ids[: len(SIZES)]
        finally:
            postgres.stop(Path(folder), at_once=True)


async def _fill(url: str, ids: Sequence[int], language: Language, topics: Topics) -> None:
    records_of = zip(ids, (size // OF_A_RECORD for size in SIZES), strict=False)
    mine = [owner for owner, count in records_of for _ in range(count)]
    rest = PASSAGES // OF_A_RECORD - len(mine)
    of_records = [*mine, *(ids[len(SIZES) + number % OTHERS] for number in range(rest))]
    topics.random.shuffle(of_records)
    async with open_pool(url, size=1) as pool, pool.connection() as connection:
        await connection.execute(
            "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
            " SELECT 'bookmarks', owner, number::text, now(), ''"
            " FROM unnest(%s::bigint[]) WITH ORDINALITY AS given (owner, number)",
            (of_records,),
        )
        cursor = await connection.execute("SELECT id, owner_id FROM records ORDER BY id")
        records = await cursor.fetchall()
        copy = (
            "COPY passages (record_id, position, owner_id, text, model, dimensions, embedding)"
            " FROM STDIN (FORMAT BINARY)"
        )
        async with connection.cursor() as cursor, cursor.copy(copy) as sink:
            sink.set_types(["int8", "int4", "int8", "text", "text", "int4", "halfvec"])
            for record_id, owner_id in records:
                texts, vectors = language.passages(OF_A_RECORD), topics.vectors(OF_A_RECORD)
                for position, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
                    await sink.write_row(
                        (record_id, position, owner_id, text, MODEL, DIMENSIONS, HalfVector(vector))
                    )
        summaries = language.passages(len(records))
        async with connection.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO summaries (record_id, owner_id, summary) VALUES (%s, %s, %s)",
                [(*each, text) for each, text in zip(records, summaries, strict=True)],
            )
            await cursor.executemany(
                "INSERT INTO keywords (record_id, owner_id, keyword, source)"
                " VALUES (%s, %s, %s, 'ai') ON CONFLICT DO NOTHING",
                [
                    (*each, word)
                    for each, text in zip(records, summaries, strict=True)
                    for word in text.split()[:KEYWORDS]
                ],
            )


async def _measured(
    url: str, owner_ids: Sequence[int], language: Language, topics: Topics
) -> list[Figure]:
    figures = []
    async with open_pool(url, size=1) as pool:
        for size, owner_id in zip(SIZES, owner_ids, strict=True):
            whole = await _timed(pool, owner_id, language, topics, words_only=False)
            words = await _timed(pool, owner_id, language, topics, words_only=True)
            recall = await _recall(pool, owner_id, topics)
            figures += [
                Figure(f"{size:,}: p95 of a search", whole.p95, "ms", at_most=50, note=whole.note),
                Figure(f"{size:,}: p95 of its words", words.p95, "ms", at_most=50, note=words.note),
                Figure(f"{size:,}: recall@10", recall, "", at_least=0.95),
            ]
    return figures


@dataclass(frozen=True)
class Times:
    """Of some queries, in milliseconds. `cpu` is the server's, of one on average."""

    each: list[float]
    cpu: float

    @property
    def p95(self) -> float:
        """What 95 of 100 took at most."""
        return float(np.percentile(self.each, 95))

    @property
    def note(self) -> str:
        """What more there is to say."""
        return f"median {np.median(self.each):.1f} ms, {self.cpu:.1f} ms of CPU in the server"


async def _timed(
    pool: Pool, owner_id: int, language: Language, topics: Topics, *, words_only: bool
) -> Times:
    queries = [language.query() for _ in range(QUERIES)]
    vectors = topics.vectors(QUERIES)
    each = []
    async with pool.connection() as connection:
        server = psutil.Process(connection.info.backend_pid)
    before = sum(server.cpu_times()[:2])
    for query, vector in zip(queries, vectors, strict=True):
        started = time.perf_counter()
        if words_only:
            await _words(pool, owner_id, query)
        else:
            await search(pool, _embeddings(vector), query, owner_id=owner_id)
        each.append(1000 * (time.perf_counter() - started))
    cpu = 1000 * (sum(server.cpu_times()[:2]) - before) / QUERIES
    return Times(each, cpu)


async def _words(pool: Pool, owner_id: int, query: str) -> None:
    async with owner_transaction(pool, owner_id) as connection:
        await connection.execute(
            SQL("{} ORDER BY fit DESC LIMIT {}").format(IN_PASSAGES, CANDIDATES),
            parameters(query, Filters(), None),
        )


async def _recall(pool: Pool, owner_id: int, topics: Topics) -> float:
    """The share of the ten nearest records that a search finds."""
    found = []
    for vector in topics.vectors(QUERIES):
        async with owner_transaction(pool, owner_id) as connection:
            nearest, exact = [
                {
                    hit.record_id
                    for hit in await find(
                        connection, "", owner_id=owner_id, limit=10,
                        meaning=Meaning(
                            HalfVector(vector), MODEL, DIMENSIONS, exact_up_to=exact_up_to
                        ),
                    )
                }
                for exact_up_to in (EXACT_UP_TO, PASSAGES)
            ]  # fmt: skip
        found.append(len(nearest & exact) / len(exact))
    return float(np.mean(found))


def _embeddings(vector: "NDArray[np.float32]") -> Any:
    """A model that gives this vector."""

    async def embed(texts: Sequence[str]) -> "list[NDArray[np.float32]]":
        return [vector]

    about = SimpleNamespace(relevant=None)
    return SimpleNamespace(embed=embed, model=MODEL, dimensions=DIMENSIONS, about=about)
