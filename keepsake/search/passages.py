"""The passages nearest to a query in meaning, by one model: a list that a search joins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Composed

from keepsake.database import AsyncConnection
from keepsake.search.filters import Filters
from keepsake.search.index import EXACT_UP_TO, distance, has_many, pass_many, same_model

if TYPE_CHECKING:
    from pgvector import HalfVector

SHORT_TEXT = 10  # characters; a shorter text is near to anything: "hi" has 0.63 to "zzzzqqq"


@dataclass(frozen=True)
class Meaning:
    """What a query means to one model.

    Attributes:
        vector: of the query, by `model`, `dimensions` long.
        model: the embeddings model; passages of another are not compared.
        dimensions: the length of the model's vectors.
        floor: the least cosine at which a passage is near; None: any is. With a floor, passages
            shorter than `SHORT_TEXT` are found by their words only.
        exact_up_to: the most passages of an owner that are compared one by one. Among more, the
            vector index finds the nearest.
    """

    vector: "HalfVector"
    model: str
    dimensions: int
    floor: float | None = None
    exact_up_to: int = EXACT_UP_TO

    def parameters(self) -> dict[str, Any]:
        """What `nearest` and `similarity` ask for by name."""
        return {
            "vector": self.vector,
            "letters": 0 if self.floor is None else SHORT_TEXT,
            "farthest": 2.0 if self.floor is None else 1 - self.floor,
        }


def similarity(meaning: Meaning | None) -> Composed:
    """The cosine of a passage to the query; NULL for one of another model, or without a meaning."""
    if meaning is None:
        return Composed([SQL("NULL::float8")])
    return SQL("CASE WHEN {} THEN 1 - {} END").format(
        same_model(meaning.model, meaning.dimensions), distance(meaning.dimensions)
    )


async def nearest(
    connection: AsyncConnection,
    owner_id: int,
    meaning: Meaning,
    filters: Filters,
    given: Mapping[str, Any],
) -> Composed:
    """A SELECT of the owner's passages nearest to the query: `record_id`, `position`, `distance`.

    Its values are `given`. It compares each passage that passes the filters, or reads the vector
    index, whichever is sooner; the index is read within this transaction.
    """
    conditions = filters.conditions(SQL("passages.record_id"))
    of_owner = SQL(
        "SELECT record_id, position, {distance} AS distance FROM passages"
        " WHERE {same_model} AND owner_id = %(owner)s AND length(text) >= %(letters)s AND {filters}"
    ).format(
        distance=distance(meaning.dimensions),
        same_model=same_model(meaning.model, meaning.dimensions),
        filters=conditions,
    )
    exact = not await has_many(
        connection, owner_id, meaning.model, meaning.dimensions, exact_up_to=meaning.exact_up_to
    )
    if not exact and filters.of_records:
        exact = not await pass_many(
            connection, filters.records(), given, exact_up_to=meaning.exact_up_to
        )
    if exact:
        return SQL(
            "WITH of_owner AS MATERIALIZED ({})"
            " SELECT * FROM of_owner ORDER BY distance LIMIT %(candidates)s"
        ).format(of_owner)
    # The index gives the nearest of all owners, and what is another's or does not pass is left out:
    # it goes on until there are enough. Without this, an owner with a tenth of all gets 4 of 50.
    await connection.execute("SET LOCAL hnsw.iterative_scan = 'strict_order'")
    return SQL("{} ORDER BY {} LIMIT %(candidates)s").format(of_owner, distance(meaning.dimensions))
