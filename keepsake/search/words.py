"""Search by words alone: in records without passages yet, and in passages of other models.

Search by meaning and words together is in `passages.py`.
"""

from psycopg.sql import SQL

from keepsake import lines
from keepsake.database import AsyncConnection
from keepsake.search.about import about, text
from keepsake.search.hits import MOST_MATCHES, RANK_CONSTANT, Hit, cut_and_mark, fetch_hits, mark

MOST_RECORDS = 100  # without passages, whose text one search reads: the newest
MOST_CHARS = 200_000  # of each of them


def embedding_steps() -> list[str]:
    """The steps that make what is searched by meaning."""
    return [module.embeddings for module in lines.LINES if module.embeddings]


async def records_processing(connection: AsyncConnection, owner_id: int) -> int:
    """How many records of an owner are on their way to their first passages."""
    cursor = await connection.execute(
        "SELECT count(*) FROM ledger l JOIN records r ON r.id = l.record_id"
        " WHERE r.owner_id = %s AND l.due_at IS NOT NULL AND l.step = ANY(%s)"
        " AND l.status <> 'succeeded'",
        (owner_id, embedding_steps()),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def search_unembedded(
    connection: AsyncConnection, query: str, *, owner_id: int, limit: int = 5
) -> list[Hit]:
    """Records of an owner without passages whose text, if it is known already, has the words.

    That is, of those that have none yet, and of lines that make none. The newest `MOST_RECORDS` of
    each are read, since no index helps. A hit's `text` is the stretch with the first of the words.
    """
    statement = SQL(
        """
        WITH unembedded AS (
            (SELECT r.id, r.line FROM ledger l JOIN records r ON r.id = l.record_id
             WHERE r.owner_id = %(owner)s AND l.due_at IS NOT NULL AND l.step = ANY(%(steps)s)
               AND l.status <> 'succeeded'
             ORDER BY r.id DESC LIMIT %(most)s)
            UNION ALL
            (SELECT id, line FROM records WHERE owner_id = %(owner)s AND line = ANY(%(without)s)
             ORDER BY id DESC LIMIT %(most)s)
        ), read AS (
            SELECT r.id AS record_id, left({text}, %(chars)s) AS text FROM unembedded r
        ), matching AS (
            SELECT record_id, text, row_number() OVER (
                ORDER BY ts_rank_cd(to_tsvector('simple', text), wanted) DESC, record_id) AS rank
            FROM read, websearch_to_tsquery('simple', %(query)s) AS wanted
            WHERE to_tsvector('simple', text) @@ wanted
            ORDER BY rank LIMIT %(limit)s
        )
        SELECT p.record_id, r.line, about.title, about.by, about.url, r.recorded_at,
               p.text, NULL::real AS starts_at, NULL::real AS ends_at,
               (1.0 / (%(constant)s + p.rank))::float8 AS score, NULL::float8 AS similarity
        FROM matching p
        JOIN records r ON r.id = p.record_id
        {about}
        ORDER BY p.rank
        """
    ).format(text=text(), about=about())
    parameters = {
        "owner": owner_id,
        "steps": embedding_steps(),
        "without": [m.name for m in lines.LINES if m.text and not m.embeddings],
        "most": MOST_RECORDS,
        "chars": MOST_CHARS,
        "query": query,
        "limit": limit,
        "constant": RANK_CONSTANT,
    }
    hits = await fetch_hits(connection, statement, parameters)
    return await cut_and_mark(connection, query, hits)


async def search_other_models(
    connection: AsyncConnection,
    query: str,
    *,
    model: str,
    dimensions: int,
    limit: int = 5,
) -> list[Hit]:
    """Records of the transaction's owner with passages of other models than this one, by words.

    Their vectors cannot be compared, but their words can: after a change of model, what was
    embedded before is still found.
    """
    statement = SQL(
        """
        WITH matching AS (
            SELECT DISTINCT ON (record_id) record_id, position, fit
            FROM passages_with_words(websearch_to_tsquery('simple', %(query)s),
                                     %(model)s, %(dimensions)s, false, %(matches)s)
            ORDER BY record_id, fit DESC, position
        ), p AS (
            SELECT record_id, position, row_number() OVER (ORDER BY fit DESC, record_id) AS rank
            FROM matching ORDER BY rank LIMIT %(limit)s
        )
        SELECT p.record_id, r.line, about.title, about.by, about.url, r.recorded_at,
               passages.text, passages.starts_at, passages.ends_at,
               (1.0 / (%(constant)s + p.rank))::float8 AS score, NULL::float8 AS similarity
        FROM p
        JOIN passages USING (record_id, position)
        JOIN records r ON r.id = p.record_id
        {about}
        ORDER BY p.rank
        """
    ).format(about=about())
    parameters = {
        "model": model,
        "dimensions": dimensions,
        "matches": MOST_MATCHES,
        "query": query,
        "limit": limit,
        "constant": RANK_CONSTANT,
    }
    return await mark(connection, query, await fetch_hits(connection, statement, parameters))
