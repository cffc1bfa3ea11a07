"""Search by words: the lists that a search joins besides the nearest in meaning.

In passages and in what was made of records, by indexes; and in the texts of records that have no
passages yet.
"""

from typing import Any

from psycopg.sql import SQL, Composed

from keepsake import lines
from keepsake.database import AsyncConnection
from keepsake.search.about import text
from keepsake.search.filters import Filters

MOST_MATCHES = 2_000  # texts with the words that a list ranks; of more, those found first
MOST_RECORDS = 100  # without passages, whose text one search reads: the newest
MOST_CHARS = 200_000  # of each of them

IN_PASSAGES = SQL(
    "SELECT record_id, 'passage' AS kind, position, fit"
    " FROM passages_with_words(websearch_to_tsquery('simple', %(query)s), %(line)s::text,"
    " %(since)s::timestamptz, %(until)s::date + 1, %(only)s::bigint[], %(matches)s)"
)
IN_TEXTS = SQL(
    "SELECT record_id, kind, position, fit"
    " FROM texts_with_words(websearch_to_tsquery('simple', %(query)s), %(kinds)s::text[],"
    " %(line)s::text, %(since)s::timestamptz, %(until)s::date + 1, %(only)s::bigint[],"
    " %(matches)s)"
)


def in_unembedded(filters: Filters) -> Composed:
    """A SELECT of records of an owner without passages whose text, if it is known, has the words.

    That is, of those that have none yet, and of lines that make none. The newest `MOST_RECORDS` of
    each are read, since no index helps.
    """
    return SQL(
        """
        SELECT record_id, 'whole' AS kind, 0 AS position,
               ts_rank_cd(to_tsvector('simple', text), wanted) AS fit
        FROM (
            SELECT r.id AS record_id, left({text}, %(chars)s) AS text FROM (
                (SELECT r.id, r.line FROM ledger l JOIN records r ON r.id = l.record_id
                 WHERE r.owner_id = %(owner)s AND l.due_at IS NOT NULL AND l.step = ANY(%(steps)s)
                   AND l.status <> 'succeeded' AND {passes}
                 ORDER BY r.id DESC LIMIT %(most)s)
                UNION ALL
                (SELECT r.id, r.line FROM records r
                 WHERE r.owner_id = %(owner)s AND r.line = ANY(%(without)s) AND {passes}
                 ORDER BY r.id DESC LIMIT %(most)s)
            ) AS r
        ) AS unembedded, websearch_to_tsquery('simple', %(query)s) AS wanted
        WHERE to_tsvector('simple', text) @@ wanted
        """
    ).format(text=text(), passes=filters.conditions(SQL("r.id")))


def parameters(query: str, filters: Filters, only: list[int] | None) -> dict[str, Any]:
    """What the lists of this module ask for by name."""
    return {
        **filters.parameters(only),
        "query": query,
        "matches": MOST_MATCHES,
        "most": MOST_RECORDS,
        "chars": MOST_CHARS,
        "steps": embedding_steps(),
        "without": [module.name for module in lines.LINES if module.text and not module.embeddings],
    }


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
