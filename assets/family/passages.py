"""Passages of about 150 words, cut at sentence ends, embedded for search by meaning.

Each keeps the times at which it is said, the name of the model that embedded it and the length of
its vector. Vectors of different models never meet in one index or one search.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assets.family.transcripts import Transcript
from assets.line_assets import Finding, StepAsset
from keepsake.database import AsyncConnection, Connection, replace_rows
from keepsake.family import Response
from keepsake.ledger import Window
from keepsake.line import Step
from keepsake.text import passages
from resources.tools import Tools

WORDS = 150


@dataclass(frozen=True)
class Passage:
    """A stretch of a transcript with its vector. Times are seconds into the recording."""

    text: str
    starts_at: float | None
    ends_at: float | None
    vector: str  # as pgvector writes it: [0.1,0.2,...]


@dataclass(frozen=True)
class Passages:
    """The passages of a response, in order."""

    owner_id: int
    model: str
    dimensions: int
    passages: tuple[Passage, ...]


async def embed(response: Response, transcript: Transcript, tools: Tools) -> Passages:
    """Cut a transcript into passages and embed each."""
    spans = passages(transcript.text, words=WORDS)
    texts = [transcript.text[span.start : span.end] for span in spans]
    embeddings = tools.models.embeddings
    vectors = await embeddings.embed(texts)
    times = [transcript.spoken.time(span) for span in spans]
    return Passages(
        response.family_id,
        embeddings.model,
        embeddings.dimensions,
        tuple(
            Passage(
                text,
                time.start if time else None,
                time.end if time else None,
                "[" + ",".join(f"{x:.6g}" for x in vector.tolist()) + "]",
            )
            for text, time, vector in zip(texts, times, vectors, strict=True)
        ),
    )


async def save(connection: AsyncConnection, results: Sequence[tuple[int, Passages]]) -> None:
    """Store passages."""
    await replace_rows(
        connection,
        "passages",
        [record_id for record_id, _ in results],
        ("record_id", "position", "owner_id", "text", "starts_at", "ends_at", "model",
         "dimensions", "embedding"),
        [
            (record_id, position, r.owner_id, p.text, p.starts_at, p.ends_at, r.model,
             r.dimensions, p.vector)
            for record_id, r in results
            for position, p in enumerate(r.passages)
        ],
    )  # fmt: skip


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
        looked_at=len(rows),
        bad=[record_id for record_id, good in rows if not good],
        advice="Vectors are empty or of another length than declared: check the embeddings model, "
        "then materialise `passages` of this partition with `redo: true`.",
    )


PASSAGES = StepAsset(
    Step(
        name="passages",
        version="1",
        needs=("transcripts",),
        roles=("embeddings",),
        make=embed,
        save=save,
    ),
    description=__doc__ or "",
    kinds=frozenset({"openai"}),
    columns=[
        ("record_id", "bigint", "the response"),
        ("position", "integer", "order in the response, from 0"),
        ("owner_id", "bigint", "whose it is: every search asks for one owner"),
        ("text", "text", "the passage"),
        ("starts_at", "real", "seconds into the recording"),
        ("ends_at", "real", "seconds into the recording"),
        ("model", "text", "the embeddings model"),
        ("dimensions", "integer", "length of the vector"),
        ("embedding", "halfvec", "the vector"),
    ],
)
