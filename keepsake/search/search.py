"""Search in what one owner keeps, stories and bookmarks alike: all searches joined in one answer.

Passages are embedded by one model; a search compares only vectors of the model that embeds the
query. The searches that are joined are in `passages.py` and `words.py`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgvector import HalfVector
from psycopg.sql import SQL

from keepsake.database import AsyncConnection, Pool, open_pool, owner_transaction
from keepsake.search.hits import Hit
from keepsake.search.passages import search_passages
from keepsake.search.words import records_processing, search_other_models, search_unembedded

if TYPE_CHECKING:
    from keepsake.clients.embeddings import Embeddings
    from keepsake.settings import ModelSettings


@dataclass(frozen=True)
class Answer:
    """What was found, and what could not be searched by meaning yet.

    Attributes:
        hits: the best first.
        processing: records of the owner that have no passages yet, and are being worked on. Their
            text, where it is known already, was searched by words.
        anything: whether the owner has passages of the model in force.
        of_other_models: whether the owner has passages of another model, which were searched by
            words only.
    """

    hits: list[Hit]
    processing: int
    anything: bool
    of_other_models: bool


async def search(
    pool: Pool,
    embeddings: "Embeddings",
    query: str,
    *,
    owner_id: int,
    limit: int = 5,
    however_far: bool = False,
) -> Answer:
    """Search in all that an owner keeps, by meaning where there are vectors and by words.

    Args:
        pool: connections to the database. None is held while the query is embedded.
        embeddings: the model in force.
        query: words, "phrases", -exclusions and `or`, as in a web search.
        owner_id: whose records.
        limit: the most hits returned.
        however_far: take what is nearest even below the model's floor.

    Raises:
        StepError: the embeddings endpoint gave no vector.
    """
    (vector,) = await embeddings.embed([query])
    model, dimensions = embeddings.model, embeddings.dimensions
    async with owner_transaction(pool, owner_id) as connection:
        hits = await search_passages(
            connection,
            HalfVector(vector),
            query=query,
            owner_id=owner_id,
            model=model,
            dimensions=dimensions,
            floor=None if however_far else embeddings.about.relevant,
            limit=limit,
        )
        found = {hit.record_id for hit in hits}
        by_words = await search_unembedded(connection, query, owner_id=owner_id, limit=limit)
        anything, of_other_models = await _models_of(connection, owner_id, model, dimensions)
        if of_other_models:
            by_words += await search_other_models(
                connection, query, model=model, dimensions=dimensions, limit=limit
            )
        processing = await records_processing(connection, owner_id)
    hits += [hit for hit in by_words if hit.record_id not in found]
    hits.sort(key=lambda hit: -hit.score)
    return Answer(hits[:limit], processing, anything, of_other_models)


async def search_once(
    url: str,
    settings: "ModelSettings",
    query: str,
    *,
    owner_id: int,
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
            limit=limit,
            however_far=however_far,
        )


async def _models_of(
    connection: AsyncConnection, owner_id: int, model: str, dimensions: int
) -> tuple[bool, bool]:
    """Whether the owner has passages of this model, and of another."""
    # Each is one lookup in the index on these columns, however many passages there are.
    passages = SQL("EXISTS (SELECT FROM passages WHERE owner_id = %(owner)s AND {})")
    this_one = SQL("(model, dimensions) {} (%(model)s, %(dimensions)s)")
    same, before, after = (passages.format(this_one.format(SQL(sign))) for sign in "=<>")
    cursor = await connection.execute(
        SQL("SELECT {}, {} OR {}").format(same, before, after),
        {"owner": owner_id, "model": model, "dimensions": dimensions},
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  # two values, whatever there is
    return bool(row[0]), bool(row[1])
