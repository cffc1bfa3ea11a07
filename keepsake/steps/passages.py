"""Passages of about 80 words, cut at sentence ends, embedded for search by meaning.

What every line with passages shares: they are in one table, so that one search covers all that
an owner keeps. Each row has the name of the model that embedded it and the length of its vector.
Vectors of different models never meet in one index or one search.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgvector import HalfVector

from keepsake.database import AsyncConnection, Connection
from keepsake.pipeline.line import Made
from keepsake.pipeline.window import Window
from keepsake.steps.checks import Finding
from keepsake.steps.rows import replace_rows
from keepsake.steps.tools import Tools
from keepsake.text.spans import Span, Timed, passages

if TYPE_CHECKING:
    from keepsake.clients.embeddings import Vector

WORDS = 80


@dataclass(frozen=True)
class Passage:
    """A stretch of a text with its vector. Times are seconds into the recording."""

    text: str
    starts_at: float | None
    ends_at: float | None
    vector: "Vector"


@dataclass(frozen=True)
class Passages:
    """The passages of a record, in order."""

    model: str
    dimensions: int
    passages: tuple[Passage, ...]


async def embed_passages(
    text: str, tools: Tools, *, time: Callable[[Span], Timed | None] | None = None
) -> Passages:
    """Cut a text into passages and embed each. `time` says when the words of a span are said."""
    spans = passages(text, words=WORDS)
    texts = [text[span.start : span.end] for span in spans]
    embeddings = tools.models.embeddings
    vectors = await embeddings.embed(texts, passages=True)
    moments = [time(span) if time else None for span in spans]
    return Passages(
        embeddings.model,
        embeddings.dimensions,
        tuple(
            Passage(
                passage,
                moment.start if moment else None,
                moment.end if moment else None,
                vector,
            )
            for passage, moment, vector in zip(texts, moments, vectors, strict=True)
        ),
    )


async def save_passages(connection: AsyncConnection, made: Sequence[Made[Passages]]) -> None:
    """Store passages."""
    await replace_rows(
        connection,
        "passages",
        made,
        ("position", "text", "starts_at", "ends_at", "model", "dimensions", "embedding"),
        lambda r: [
            (position, p.text, p.starts_at, p.ends_at, r.model, r.dimensions, HalfVector(p.vector))
            for position, p in enumerate(r.passages)
        ],
        types=("int4", "text", "float4", "float4", "text", "int4", "halfvec"),
    )


def vectors_of_the_declared_size(connection: Connection, window: Window) -> Finding:
    """Whether every vector has the length that its row declares and is no null vector."""
    rows = connection.execute(
        """
        SELECT p.record_id, vector_dims(embedding) = dimensions AND l2_norm(embedding) > 0
        FROM passages p JOIN records r ON r.id = p.record_id
        WHERE r.line = %s AND r.recorded_at >= %s AND r.recorded_at < %s
        """,
        (window.line, window.start, window.end),
    ).fetchall()
    return Finding(
        checked=len(rows),
        bad=[record_id for record_id, good in rows if not good],
        fault="Vectors are empty or of another length than declared: check the embeddings model.",
    )
