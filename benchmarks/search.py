"""How well each embedded embeddings model finds, in one language and across, and its floor.

Forty passages in three languages, each with a question in all three (`search.json`). The
records of the search are three passages of one language each, cut as the pipeline cuts them, so
that a passage may hold the end of one memory and the start of the next. By vectors alone: words
only add to it.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.results import Figure
from keepsake.clients.embeddings import cosines
from keepsake.settings.embedding_models import EMBEDDED
from keepsake.text.spans import passages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

WORDS = 80  # of a passage, as in keepsake/steps/passages.py
LANGUAGES = ("en", "de", "es")
SET: dict[str, Any] = json.loads(Path(__file__).with_name("search.json").read_text())
MEMORIES: list[dict[str, Any]] = SET["passages"]


def run() -> list[Figure]:
    """Measure every embedded model, the default first."""
    return [figure for name in EMBEDDED for figure in figures(Measured(name))]


def figures(model: "Measured") -> list[Figure]:
    """What one model gave, as it is shown."""
    floor = EMBEDDED[model.name].relevant or 0.0
    found = []
    for label, across in (("same language", False), ("across languages", True)):
        ranks, near = model.answers(across=across)
        found += [
            Figure(f"{model.name}: recall@1, {label}", float(np.mean(ranks < 1)), ""),
            Figure(f"{model.name}: recall@5, {label}", float(np.mean(ranks < 5)), ""),
            Figure(
                f"{model.name}: answers in the first five below the floor, {label}",
                float(np.mean(near[ranks < 5] < floor)),
                "",
                note=_spread(near[ranks < 5]),
            ),
        ]
    for kind in ("unanswerable", "meaningless"):
        best = model.best(kind)
        found.append(
            Figure(
                f"{model.name}: {kind} queries without a hit at {floor}",
                float(np.mean(best < floor)),
                "",
                note=_spread(best),
            )
        )
    found.append(Figure(f"{model.name}: a passage", 1000 * model.seconds, "ms of CPU"))
    return found


def _spread(near: "Vectors") -> str:
    marks = np.percentile(near, [0, 10, 50, 90, 100])
    return "least, 10%, 50%, 90%, most: " + ", ".join(f"{mark:.3f}" for mark in marks)


@dataclass(frozen=True)
class Corpus:
    """The records, cut into passages: the texts, and of each its record and that one's memories."""

    texts: tuple[str, ...]
    records: tuple[int, ...]
    memories: tuple[frozenset[int], ...]


def corpus() -> Corpus:
    """Forty records of three memories each, every memory in three of them."""
    texts: list[str] = []
    records: list[int] = []
    memories: list[frozenset[int]] = []
    for language in LANGUAGES:
        same = [at for at, memory in enumerate(MEMORIES) if memory["language"] == language]
        for start in range(len(same)):
            three = [same[(start + step) % len(same)] for step in (7, 0, 3)]
            text = " ".join(MEMORIES[at]["text"] for at in three)
            for span in passages(text, words=WORDS):
                texts.append(text[span.start : span.end])
                records.append(len(memories))
            memories.append(frozenset(three))
    return Corpus(tuple(texts), tuple(records), tuple(memories))


class Measured:
    """One model over the set."""

    def __init__(self, name: str) -> None:
        from keepsake.local.models.embeddings import ENCODERS

        self.name = name
        self._encoder = ENCODERS[name]()
        self._corpus = corpus()
        self._vectors([self._corpus.texts[0]], EMBEDDED[name].passage)  # the first loads weights
        started = time.process_time()
        self._passages = self._vectors(self._corpus.texts, EMBEDDED[name].passage)
        self.seconds = (time.process_time() - started) / len(self._corpus.texts)

    def answers(self, *, across: bool) -> "tuple[NDArray[np.int64], Vectors]":
        """The rank of the right record for each question, from 0, and its cosine."""
        chosen = [
            (language, at)
            for language in LANGUAGES
            for at, memory in enumerate(MEMORIES)
            if (memory["language"] != language) is across
        ]
        rows = [self._by_record[language][at] for language, at in chosen]
        ranks, nearest = [], []
        for (_, at), row in zip(chosen, rows, strict=True):
            right = np.array([at in held for held in self._corpus.memories])
            nearest.append(row[right].max())
            ranks.append(int((row[~right] > row[right].max()).sum()))
        return np.array(ranks), np.array(nearest, np.float32)

    def best(self, kind: str) -> "Vectors":
        """The greatest cosine that each query of a kind has with any passage."""
        nearest: Vectors = cosines(self._queries(SET[kind]), self._passages).max(axis=1)
        return nearest

    @cached_property
    def _by_record(self) -> "dict[str, Vectors]":
        """For each language, a row for each question: its greatest cosine in each record."""
        found = {}
        numbers = np.array(self._corpus.records)
        for language in LANGUAGES:
            asked = self._queries([memory["questions"][language] for memory in MEMORIES])
            alike = cosines(asked, self._passages)
            columns = [alike[:, numbers == record].max(axis=1) for record in set(numbers.tolist())]
            found[language] = np.stack(columns, axis=1)
        return found

    def _queries(self, texts: Sequence[str]) -> "Vectors":
        return self._vectors(texts, EMBEDDED[self.name].query)

    def _vectors(self, texts: Sequence[str], prefix: str) -> "Vectors":
        vectors, _ = self._encoder.encode([prefix + text for text in texts])
        return vectors
