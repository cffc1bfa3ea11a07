"""An owner's bookmarks as a list: a page of them, the last saved first, and what to filter by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from psycopg.rows import class_row
from psycopg.sql import SQL

from keepsake.bookmarks.bookmark import LINE
from keepsake.database import Connection

State = Literal["due", "failed"]
TAGS = 24  # that a list offers
MATCHES = 10_000  # texts with the words of a filter; of more, some

_CONDITIONS = {
    "tag": SQL(
        "r.id IN (SELECT record_id FROM keywords"
        " WHERE owner_id = %(owner)s AND lower(keyword) = lower(%(tag)s))"
    ),
    "site": SQL("r.id IN (SELECT record_id FROM pages WHERE owner_id = %(owner)s"
                " AND site = %(site)s)"),
    # By functions that may use an index, which a policy keeps from a query (migration 0025).
    "words": SQL(
        "r.id IN (SELECT record_id FROM texts_with_words(websearch_to_tsquery('simple', %(words)s),"
        " ARRAY['page', 'summary', 'tag'], %(line)s, NULL, NULL, NULL, %(matches)s)"
        " UNION SELECT record_id FROM passages_with_words("
        "websearch_to_tsquery('simple', %(words)s), %(line)s, NULL, NULL, NULL, %(matches)s))"
    ),
    "due": SQL("r.id IN (SELECT record_id FROM ledger"
               " WHERE owner_id = %(owner)s AND due_at IS NOT NULL)"),
    "failed": SQL("r.id IN (SELECT record_id FROM ledger WHERE owner_id = %(owner)s"
                  " AND status = 'failed' AND hold_reason IS NULL)"),
    "before": SQL("(r.recorded_at, r.id) < (SELECT recorded_at, id FROM records"
                  " WHERE id = %(before)s AND owner_id = %(owner)s)"),
}  # fmt: skip


@dataclass(frozen=True)
class ShelvedBookmark:
    """A bookmark in a list; what is not made yet, or failed, is missing.

    Attributes:
        site: as the page names it.
        keywords: those set by hand first.
        media: the kinds of its files.
    """

    record_id: int
    url: str
    title: str | None
    site: str | None
    saved_at: datetime
    language: str | None
    words: int | None
    summary: str | None
    status: str
    keywords: Sequence[str]
    media: Sequence[str]

    @property
    def host(self) -> str:
        """Where it is from, without what the page says of itself."""
        try:
            return (urlsplit(self.url).hostname or "").removeprefix("www.")
        except ValueError:  # an address that was imported may be none
            return ""


def list_bookmarks(
    connection: Connection,
    owner_id: int,
    *,
    tag: str | None = None,
    site: str | None = None,
    words: str | None = None,
    state: State | None = None,
    before: int | None = None,
    limit: int = 30,
) -> list[ShelvedBookmark]:
    """Bookmarks of an owner, the last saved first.

    Args:
        connection: to the database.
        owner_id: whose.
        tag: only with this keyword; case does not matter.
        site: only from the site that names itself so.
        words: only with these words, as people search the web; "in quotes" in that order.
        state: `due`: something is still to be made; `failed`: something could not be.
        before: only those after this one in the list: the last of a page gives the next page.
        limit: the most bookmarks.
    """
    asked = {"tag": tag, "site": site, "words": words, "before": before}
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    conditions = [_CONDITIONS[name] for name in (*given, *filter(None, [state]))]
    with connection.cursor(row_factory=class_row(ShelvedBookmark)) as cursor:
        return cursor.execute(
            SQL(
                """
                WITH page AS MATERIALIZED (
                    SELECT r.id, r.recorded_at FROM records r
                    WHERE r.owner_id = %(owner)s AND r.line = %(line)s AND {conditions}
                    ORDER BY r.recorded_at DESC, r.id DESC LIMIT %(limit)s
                )
                SELECT page.id AS record_id, b.url, coalesce(b.title, p.title) AS title, p.site,
                       page.recorded_at AS saved_at, p.language, p.words, summaries.summary,
                       coalesce(s.status, 'PENDING') AS status,
                       ARRAY(SELECT keyword FROM keywords WHERE record_id = page.id
                             ORDER BY source DESC, keyword) AS keywords,
                       ARRAY(SELECT DISTINCT kind FROM media WHERE record_id = page.id) AS media
                FROM page
                JOIN bookmarks b ON b.record_id = page.id
                LEFT JOIN pages p ON p.record_id = page.id
                LEFT JOIN summaries ON summaries.record_id = page.id
                LEFT JOIN LATERAL (SELECT status FROM record_status WHERE record_id = page.id
                                   OFFSET 0) AS s ON true
                ORDER BY page.recorded_at DESC, page.id DESC
                """
            ).format(conditions=SQL(" AND ").join(conditions or [SQL("true")])),
            {**given, "owner": owner_id, "line": LINE, "limit": limit, "matches": MATCHES},
        ).fetchall()


def frequent_tags(connection: Connection, owner_id: int) -> list[str]:
    """The keywords that most bookmarks of an owner have, the most frequent first."""
    rows = connection.execute(
        "SELECT keyword FROM keywords WHERE owner_id = %s"
        " GROUP BY keyword ORDER BY count(*) DESC, keyword LIMIT %s",
        (owner_id, TAGS),
    )
    return [row[0] for row in rows]
