"""All lists of a search joined in one statement, by reciprocal rank.

A list ranks texts: the passages nearest in meaning, and what has the words of the query. A record
counts in each list by its best text, and is one hit, shown by the text that ranks best in all.
"""

from collections.abc import Mapping
from typing import Any

from psycopg.rows import class_row
from psycopg.sql import SQL, Composable, Composed

from keepsake.database import AsyncConnection
from keepsake.search import words
from keepsake.search.about import about, text
from keepsake.search.filters import Filters, only_of
from keepsake.search.hits import Hit, mark
from keepsake.search.passages import Meaning, nearest, similarity

CANDIDATES = 200  # texts that each list contributes at most; a record may have many
RANK_CONSTANT = 60  # how slowly a lower rank loses weight


async def find(
    connection: AsyncConnection,
    query: str,
    *,
    owner_id: int,
    meaning: Meaning | None,
    filters: Filters | None = None,
    limit: int = 5,
) -> list[Hit]:
    """The records of an owner that are nearest to a query or have its words, best first.

    Args:
        connection: in a transaction of this owner.
        query: words, "phrases", -exclusions and `or`, as in a web search.
        owner_id: whose records.
        meaning: of the query; None: search by words alone.
        filters: what to search in; None: everything.
        limit: the most hits returned.
    """
    filters = filters or Filters()
    only = await only_of(connection, owner_id, filters)
    given = {
        **words.parameters(query, filters, only),
        **(meaning.parameters() if meaning else {}),
        "owner": owner_id,
        "candidates": CANDIDATES,
        "constant": RANK_CONSTANT,
        "limit": limit,
    }
    lists = [_by_words(words.IN_TEXTS)]
    if filters.of_passages:
        lists += [_by_words(words.IN_PASSAGES), _by_words(words.in_unembedded(filters))]
        if meaning:
            lists.append(_near(await nearest(connection, owner_id, meaning, filters, given)))
    return await mark(connection, query, await _fetch(connection, _joined(lists, meaning), given))


def _near(nearest: Composable) -> Composed:
    return SQL(
        "SELECT record_id, 'passage' AS kind, position, row_number() OVER (ORDER BY distance)"
        " AS rank FROM ({}) AS nearest WHERE distance <= %(farthest)s"
    ).format(nearest)


def _by_words(matching: Composable) -> Composed:
    return SQL(
        "SELECT record_id, kind, position,"
        " row_number() OVER (ORDER BY fit DESC, record_id, position) AS rank"
        " FROM ({}) AS matching ORDER BY rank LIMIT %(candidates)s"
    ).format(matching)


def _joined(lists: list[Composed], meaning: Meaning | None) -> Composed:
    """A SELECT with a column for each field of a hit but `marks`."""
    return SQL(
        """
        WITH found AS ({lists}), best AS (
            SELECT record_id, sum(1.0 / (%(constant)s + rank))::float8 AS score
            FROM (SELECT record_id, min(rank) AS rank FROM found
                  GROUP BY record_id, list) AS of_a_list
            GROUP BY record_id ORDER BY score DESC, record_id LIMIT %(limit)s
        ), shown AS (
            -- A tag says less than any other text of the record.
            SELECT DISTINCT ON (record_id) record_id, kind, position, best.score
            FROM best JOIN found USING (record_id)
            GROUP BY record_id, kind, position, best.score
            ORDER BY record_id, kind = 'tag', sum(1.0 / (%(constant)s + rank)) DESC, position
        )
        SELECT s.record_id, r.line, about.title, about.by, about.url, r.recorded_at,
               replace(s.kind, 'whole', 'passage') AS kind, t.text, t.starts_at, t.ends_at,
               s.score, t.similarity
        FROM shown s
        JOIN records r ON r.id = s.record_id
        CROSS JOIN LATERAL (
            SELECT text, starts_at, ends_at, {similarity}::float8 AS similarity FROM passages
            WHERE s.kind = 'passage' AND record_id = s.record_id AND position = s.position
            UNION ALL
            (SELECT text, starts_at, ends_at, NULL FROM texts
             WHERE record_id = s.record_id AND kind = s.kind AND position = s.position
             ORDER BY search @@ websearch_to_tsquery('simple', %(query)s) DESC LIMIT 1)
            UNION ALL
            SELECT left({text}, %(chars)s), NULL, NULL, NULL WHERE s.kind = 'whole'
        ) AS t
        {about}
        ORDER BY s.score DESC, s.record_id
        """
    ).format(
        lists=SQL(" UNION ALL ").join(
            SQL("SELECT {} AS list, * FROM ({}) AS ranked").format(number, ranked)
            for number, ranked in enumerate(lists)
        ),
        similarity=similarity(meaning),
        text=text(),
        about=about(),
    )


async def _fetch(
    connection: AsyncConnection, statement: Composed, given: Mapping[str, Any]
) -> list[Hit]:
    async with connection.cursor(row_factory=class_row(Hit)) as cursor:
        await cursor.execute(statement, given)
        return await cursor.fetchall()
