"""Search in what one owner keeps, stories and bookmarks alike: by meaning and by words, fused.

Passages are embedded by one model; a search looks only at passages of the model it was asked with,
so vectors of different models never meet. What a passage is stands with the step that makes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from psycopg.rows import class_row
from psycopg.sql import SQL, Composed, Identifier, Literal

from keepsake.database import Connection, Migration, connect, migrate
from keepsake.ledger import hold_switched_off
from keepsake.settings import Settings

CANDIDATES = 50  # passages each of the two searches contributes at most
RANK_CONSTANT = 60  # of reciprocal rank fusion: how slowly a lower rank loses weight


@dataclass(frozen=True)
class Hit:
    """A passage found.

    Attributes:
        by: who said it, or the site it stands on.
        url: of the page, for a bookmark.
        starts_at, ends_at: seconds into the recording, None for what is written.
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


def search(
    connection: Connection,
    vector: Iterable[float],
    *,
    query: str,
    owner_id: int,
    model: str,
    dimensions: int,
    limit: int = 5,
) -> list[Hit]:
    """The passages of an owner nearest to `vector` or holding the words of `query`, best first.

    Args:
        connection: to the database.
        vector: of `query`, by `model`, `dimensions` long.
        query: words, "phrases", -exclusions and `or`, as in a web search.
        owner_id: whose passages; no other's are looked at.
        model: the embeddings model; passages of another are left out.
        dimensions: the length of the model's vectors.
        limit: the most hits returned.
    """
    statement = SQL(
        """
        WITH near AS (
            SELECT record_id, position, row_number() OVER (ORDER BY distance) AS rank FROM (
                SELECT record_id, position, {distance} AS distance FROM passages
                WHERE {same_model} AND owner_id = %(owner)s
                ORDER BY {distance} LIMIT %(candidates)s) AS nearest
        ), words AS (
            SELECT record_id, position, row_number() OVER (
                ORDER BY ts_rank_cd(search, wanted) DESC, record_id, position) AS rank
            FROM passages, websearch_to_tsquery('simple', %(query)s) AS wanted
            WHERE {same_model} AND owner_id = %(owner)s AND search @@ wanted
            ORDER BY rank LIMIT %(candidates)s
        ), fused AS (
            SELECT record_id, position, sum(1.0 / (%(constant)s + rank))::float8 AS score
            FROM (SELECT * FROM near UNION ALL SELECT * FROM words) AS found
            GROUP BY record_id, position
            ORDER BY score DESC, record_id, position LIMIT %(limit)s
        )
        SELECT p.record_id, r.line, coalesce(stories.title, bookmarks.title, pages.title)
                   AS title,
               coalesce(members.name, pages.site) AS by, pages.url, r.recorded_at, p.text,
               p.starts_at, p.ends_at, f.score
        FROM fused f
        JOIN passages p USING (record_id, position)
        JOIN records r ON r.id = p.record_id
        LEFT JOIN responses USING (record_id)
        LEFT JOIN members ON members.id = responses.member_id
        LEFT JOIN stories USING (record_id)
        LEFT JOIN bookmarks USING (record_id)
        LEFT JOIN pages USING (record_id)
        ORDER BY f.score DESC, p.record_id, p.position
        """
    ).format(distance=_distance(dimensions), same_model=_same_model(model, dimensions))
    parameters = {
        "vector": "[" + ",".join(f"{x:.6g}" for x in vector) + "]",
        "owner": owner_id,
        "candidates": CANDIDATES,
        "query": query,
        "constant": RANK_CONSTANT,
        "limit": limit,
    }
    with connection.transaction(), connection.cursor(row_factory=class_row(Hit)) as cursor:
        # Without it, an owner with few of many passages gets fewer hits than there are: the index
        # gives the nearest of everybody's, and the owner's are filtered out of those.
        cursor.execute("SET LOCAL hnsw.iterative_scan = 'strict_order'")
        return cursor.execute(statement, parameters).fetchall()


async def ask(
    connection: Connection, settings: Settings, query: str, *, owner_id: int, limit: int = 5
) -> list[Hit]:
    """Embed `query` with the model in force, and search with it.

    Raises:
        StepError: the embeddings endpoint gave no vector.
    """
    from keepsake.clients.models import open_models

    async with open_models(settings) as models:
        (vector,) = await models.embeddings.embed([query])
        return search(
            connection,
            vector.tolist(),
            query=query,
            owner_id=owner_id,
            model=models.embeddings.model,
            dimensions=models.embeddings.dimensions,
            limit=limit,
        )


def prepare(url: str, settings: Settings) -> list[Migration]:
    """Migrate the database at `url`, then have it follow the settings.

    That is: an index of the model in force, and no work due in steps that are switched off.

    Returns the migrations applied.

    Raises:
        DatabaseError: the database is not fit for use; see `migrate`.
    """
    applied = migrate(url)
    with connect(url) as connection:
        model = settings.endpoint("embeddings").model
        ensure_vector_index(connection, model, settings.embeds_dimensions)
        hold_switched_off(connection, settings.switched_off_steps, later=settings.scheduled_steps)
    return applied


def ensure_vector_index(connection: Connection, model: str, dimensions: int) -> str:
    """Make the index of this model's vectors unless it is there, and return its name.

    Each model has its own partial index. It is built while others read and write; call it on an
    autocommitting connection, outside a transaction. A build that broke off is made anew.
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
        ).format(Identifier(name), _vectors(dimensions), _same_model(model, dimensions)),
        (),  # no parameters, but the % of a model's name is doubled as if there were
    )
    return name


def index_name(model: str, dimensions: int) -> str:
    """The name of a model's index: the same for the same model, short enough for PostgreSQL."""
    return f"passages_vectors_{sha256(model.encode()).hexdigest()[:16]}_{dimensions}"


# The planner uses an index only for the same expression and predicate: both stand here once, and
# as literals, since a parameter could not be proven equal to the index's predicate.


def _vectors(dimensions: int) -> Composed:
    return SQL("embedding::halfvec({})").format(Literal(dimensions))


def _same_model(model: str, dimensions: int) -> Composed:
    return SQL("model = {} AND dimensions = {}").format(
        Literal(model.replace("%", "%%")), Literal(dimensions)
    )


def _distance(dimensions: int) -> Composed:
    return SQL("({} <=> %(vector)s::halfvec({}))").format(_vectors(dimensions), Literal(dimensions))
