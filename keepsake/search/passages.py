"""Search in the passages of one model: by meaning and by words, fused in one statement.

Text that has no vectors of this model is searched in `words.py`.
"""

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composed

from keepsake.database import AsyncConnection
from keepsake.search.about import about
from keepsake.search.hits import MOST_MATCHES, RANK_CONSTANT, Hit, fetch_hits, mark
from keepsake.search.index import EXACT_UP_TO, distance, has_many, same_model

if TYPE_CHECKING:
    from pgvector import HalfVector

CANDIDATES = 200  # passages each of the two searches contributes at most; a record may have many
SHORT_TEXT = 10  # characters; a shorter text is near to anything: "hi" has 0.63 to "zzzzqqq"


async def search_passages(
    connection: AsyncConnection,
    vector: "HalfVector",
    *,
    query: str,
    owner_id: int,
    model: str,
    dimensions: int,
    floor: float | None = None,
    limit: int = 5,
    exact_up_to: int = EXACT_UP_TO,
) -> list[Hit]:
    """The records of an owner nearest to `vector` or with the words of `query`, best first.

    Args:
        connection: in a transaction of this owner.
        vector: of `query`, by `model`, `dimensions` long.
        query: words, "phrases", -exclusions and `or`, as in a web search.
        owner_id: whose passages.
        model: the embeddings model; passages of another are left out.
        dimensions: the length of the model's vectors.
        floor: the least cosine at which a passage is near; None: any is. Words need none. With a
            floor, passages shorter than `SHORT_TEXT` are found by their words only.
        limit: the most hits returned.
        exact_up_to: the most passages of an owner that are compared one by one. Among more, the
            vector index finds the nearest.
    """
    exact = not await has_many(connection, owner_id, model, dimensions, exact_up_to=exact_up_to)
    statement = SQL(
        """
        WITH near AS (
            SELECT record_id, position, row_number() OVER (ORDER BY distance) AS rank
            FROM ({nearest}) AS nearest WHERE distance <= %(farthest)s
        ), words AS (
            SELECT record_id, position, row_number() OVER (
                ORDER BY fit DESC, record_id, position) AS rank
            FROM passages_with_words(websearch_to_tsquery('simple', %(query)s),
                                     %(model)s, %(dimensions)s, true, %(matches)s)
            ORDER BY rank LIMIT %(candidates)s
        ), fused AS (
            SELECT record_id, position, sum(1.0 / (%(constant)s + rank))::float8 AS score
            FROM (SELECT * FROM near UNION ALL SELECT * FROM words) AS found
            GROUP BY record_id, position
        ), best AS (
            SELECT * FROM (SELECT DISTINCT ON (record_id) record_id, position, score FROM fused
                           ORDER BY record_id, score DESC, position) AS of_each_record
            ORDER BY score DESC, record_id LIMIT %(limit)s
        )
        SELECT p.record_id, r.line, about.title, about.by, about.url, r.recorded_at,
               p.text, p.starts_at, p.ends_at, f.score,
               1 - {distance} AS similarity
        FROM best f
        JOIN passages p USING (record_id, position)
        JOIN records r ON r.id = p.record_id
        {about}
        ORDER BY f.score DESC, p.record_id
        """
    ).format(
        nearest=_nearest(model, dimensions, exact=exact),
        distance=distance(dimensions),
        about=about(),
    )
    parameters = {
        "vector": vector,
        "owner": owner_id,
        "candidates": CANDIDATES,
        "letters": 0 if floor is None else SHORT_TEXT,
        "farthest": 2.0 if floor is None else 1 - floor,
        "query": query,
        "model": model,
        "dimensions": dimensions,
        "matches": MOST_MATCHES,
        "constant": RANK_CONSTANT,
        "limit": limit,
    }
    if not exact:
        # The index gives the nearest of all owners, and other owners' are left out: it goes on
        # until there are enough. Without this, an owner with a tenth of all gets 4 of 50.
        await connection.execute("SET LOCAL hnsw.iterative_scan = 'strict_order'")
    return await mark(connection, query, await fetch_hits(connection, statement, parameters))


def _nearest(model: str, dimensions: int, *, exact: bool) -> Composed:
    """The owner's nearest: of all passages, or (not `exact`) as the vector index finds them."""
    of_owner = SQL(
        "SELECT record_id, position, {distance} AS distance FROM passages"
        " WHERE {same_model} AND owner_id = %(owner)s AND length(text) >= %(letters)s"
    ).format(distance=distance(dimensions), same_model=same_model(model, dimensions))
    if exact:
        return SQL(
            "WITH of_owner AS MATERIALIZED ({})"
            " SELECT * FROM of_owner ORDER BY distance LIMIT %(candidates)s"
        ).format(of_owner)
    return SQL("{} ORDER BY {} LIMIT %(candidates)s").format(of_owner, distance(dimensions))
