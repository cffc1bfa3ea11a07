"""The vector indexes of the table `passages`, one for each embeddings model and vector length.

Here are the expressions that an index and the queries that use it must have in common, and the
statements that create an index. The queries are in `passages.py` and `fusion.py`.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from keepsake.database import AsyncConnection, Connection

# To compare with a passage takes 3 to 5 us. The index takes 20 ms for an owner with half of 100,000
# passages, and 90 ms for one with a tenth (`python -m benchmarks search_speed`).
EXACT_UP_TO = 20_000
LEAST_SHARE = 20


def ensure_vector_index(connection: Connection, model: str, dimensions: int) -> str:
    """Create the index of this model's vectors unless it exists, and return its name.

    Each model has its own partial index. It is built while others read and write; call this on an
    autocommitting connection, outside a transaction. A build that broke off is repeated.
    """
    name = index_name(model, dimensions)
    broken = connection.execute(
        "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid"
        " AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index"
        "                 WHERE index_relid = indexrelid)",
        (f"keepsake.{name}",),
    ).fetchone()
    if broken:
        connection.execute(SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(Identifier(name)))
    connection.execute(
        SQL(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS {} ON passages"
            " USING hnsw (({}) halfvec_cosine_ops) WHERE {}"
        ).format(Identifier(name), _vectors(dimensions), same_model(model, dimensions)),
        (),  # no parameters, but the % of a model's name is doubled as if there were
    )
    return name


def index_name(model: str, dimensions: int) -> str:
    """The name of a model's index: the same for the same model, short enough for PostgreSQL."""
    return f"passages_vectors_{sha256(model.encode()).hexdigest()[:16]}_{dimensions}"


# The planner uses an index only for the same expression and predicate. Both are literals, since it
# cannot prove that a parameter equals the index's predicate.


def same_model(model: str, dimensions: int) -> Composed:
    """Whether a passage was embedded by this model, in vectors of this length."""
    return SQL("model = {} AND dimensions = {}").format(
        Literal(model.replace("%", "%%")), Literal(dimensions)
    )


def distance(dimensions: int) -> Composed:
    """The cosine distance, 0 to 2, of a passage of this length to the parameter `vector`."""
    return SQL("({} <=> %(vector)s::halfvec({}))").format(_vectors(dimensions), Literal(dimensions))


async def has_many(
    connection: AsyncConnection, owner_id: int, model: str, dimensions: int, *, exact_up_to: int
) -> bool:
    """Whether the vector index finds an owner's nearest passages sooner than comparing each.

    That is, more than `exact_up_to` passages, and a twentieth of all. The index gives the nearest
    of all owners, of which the owner's are taken: the smaller the share, the more it has to read.
    The count ends at that bound.
    """
    return await _more_than(
        connection,
        SQL("SELECT greatest(%(most)s, reltuples / %(share)s)"
            " FROM pg_class WHERE oid = 'passages'::regclass"),
        SQL("SELECT FROM passages WHERE owner_id = %(owner)s AND model = %(model)s"
            " AND dimensions = %(dimensions)s"),
        {
            "owner": owner_id,
            "model": model,
            "dimensions": dimensions,
            "most": exact_up_to,
            "share": LEAST_SHARE,
        },
    )  # fmt: skip


async def pass_many(
    connection: AsyncConnection, records: Composed, given: Mapping[str, Any], *, exact_up_to: int
) -> bool:
    """The same of the passages of some records, a SELECT whose values are `given`.

    The records are counted, by an index alone, as if each had as many passages as the average.
    """
    return await _more_than(
        connection,
        SQL(
            "SELECT greatest(%(most)s, p.reltuples / %(share)s)"
            " * CASE WHEN r.reltuples BETWEEN 1 AND p.reltuples"
            "        THEN r.reltuples / p.reltuples ELSE 1 END"
            " FROM pg_class p, pg_class r"
            " WHERE p.oid = 'passages'::regclass AND r.oid = 'records'::regclass"
        ),
        records,
        {**given, "most": exact_up_to, "share": LEAST_SHARE},
    )


async def _more_than(
    connection: AsyncConnection, most: Composable, rows: Composable, given: Mapping[str, Any]
) -> bool:
    cursor = await connection.execute(
        SQL(
            "WITH many AS (SELECT ({})::bigint AS most)"
            " SELECT count(*) > (SELECT most FROM many)"
            " FROM ({} LIMIT 1 + (SELECT most FROM many)) AS counted"
        ).format(most, rows),
        given,
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


def _vectors(dimensions: int) -> Composed:
    return SQL("embedding::halfvec({})").format(Literal(dimensions))
