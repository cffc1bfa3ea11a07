"""Search in what one owner keeps, of all lines: by meaning where there are vectors, and by words.

Passages are embedded by one model; a search compares only vectors of the model that embeds the
query. How the lists of a search are joined is in `fusion.py`.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgvector import HalfVector
from psycopg.sql import SQL

from keepsake.database import AsyncConnection, Pool, open_pool, owner_transaction
from keepsake.errors import InvalidInput, StepError
from keepsake.search.filters import Filters
from keepsake.search.fusion import find
from keepsake.search.hits import Hit
from keepsake.search.passages import Meaning
from keepsake.search.words import records_processing

if TYPE_CHECKING:
    from keepsake.clients.embeddings import Embeddings, Vector
    from keepsake.settings import ModelSettings

PATIENCE = 10.0  # seconds that a person waits for the meaning of a query


@dataclass(frozen=True)
class Answer:
    """What was found, and what could not be searched by meaning.

    Attributes:
        hits: the best first.
        processing: records of the owner that have no passages yet, and are being worked on. Their
            text, where it is known already, was searched by words.
        anything: whether the owner has anything to search in.
        anything_near: whether the owner has passages of the model in force, of which some are the
            nearest, however far.
        of_other_models: whether the owner has passages of another model, which were searched by
            words only.
        words_only: whether all was searched by words only, since no model gave a vector.
    """

    hits: list[Hit]
    processing: int
    anything: bool
    anything_near: bool
    of_other_models: bool
    words_only: bool = False


async def search(
    pool: Pool,
    embeddings: "Embeddings",
    query: str,
    *,
    owner_id: int,
    filters: Filters | None = None,
    limit: int = 5,
    however_far: bool = False,
) -> Answer:
    """Search in all that an owner keeps, by meaning where there are vectors and by words.

    Without an answer of the embeddings endpoint within ten seconds it searches by words alone.

    Args:
        pool: connections to the database. None is held while the query is embedded.
        embeddings: the model in force.
        query: words, "phrases", -exclusions and `or`, as in a web search.
        owner_id: whose records.
        filters: what to search in; None: everything.
        limit: the most hits returned.
        however_far: take what is nearest even below the model's floor.

    Raises:
        InvalidInput: the query is empty.
    """
    query = query.replace("\0", " ")  # PostgreSQL takes none in a text
    if not query.strip():
        raise InvalidInput("the query is empty")
    vector = await _vector(embeddings, query)
    model, dimensions = embeddings.model, embeddings.dimensions
    floor = None if however_far else embeddings.about.relevant
    meaning = None if vector is None else Meaning(HalfVector(vector), model, dimensions, floor)
    async with owner_transaction(pool, owner_id) as connection:
        hits = await find(
            connection,
            query,
            owner_id=owner_id,
            meaning=meaning,
            filters=filters,
            limit=limit,
        )
        anything, near, of_other_models = await _kept(connection, owner_id, model, dimensions)
        processing = await records_processing(connection, owner_id)
    return Answer(
        hits, processing, anything or near, near, of_other_models, words_only=vector is None
    )


async def search_once(
    url: str,
    settings: "ModelSettings",
    query: str,
    *,
    owner_id: int,
    filters: Filters | None = None,
    limit: int = 5,
    however_far: bool = False,
) -> Answer:
    """`search` for a process that searches once: it opens its own connection and model."""
    from keepsake.clients.models import open_models

    async with open_models(settings) as models, open_pool(url, size=1) as pool:
        return await search(
            pool,
            models.embeddings,
            query,
            owner_id=owner_id,
            filters=filters,
            limit=limit,
            however_far=however_far,
        )


async def _vector(embeddings: "Embeddings", query: str) -> "Vector | None":
    """The vector of a query; None: the endpoint gave none in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            (vector,) = await embeddings.embed([query])
    except (StepError, TimeoutError):
        return None
    return vector


async def _kept(
    connection: AsyncConnection, owner_id: int, model: str, dimensions: int
) -> tuple[bool, bool, bool]:
    """Whether the owner has texts, passages of this model, and passages of another."""
    # Each is one lookup in an index, however many there are.
    passages = SQL("EXISTS (SELECT FROM passages WHERE owner_id = %(owner)s AND {})")
    this_one = SQL("(model, dimensions) {} (%(model)s, %(dimensions)s)")
    same, before, after = (passages.format(this_one.format(SQL(sign))) for sign in "=<>")
    cursor = await connection.execute(
        SQL("SELECT EXISTS (SELECT FROM texts WHERE owner_id = %(owner)s), {}, {} OR {}").format(
            same, before, after
        ),
        {"owner": owner_id, "model": model, "dimensions": dimensions},
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  # three values, whatever there is
    texts, near, of_other_models = row
    return texts, near, of_other_models
