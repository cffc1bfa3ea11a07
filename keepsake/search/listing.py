"""Which records there are: a page of them, newest first.

A page is read by indexes, however many records there are: the order is that of the ids, so the next
page begins below the last id of this one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from psycopg.rows import class_row
from psycopg.sql import SQL, Composed

from keepsake import lines
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.records import lookup
from keepsake.search.about import about

State = Literal["failed", "due", "held"]
MOST = 1001  # records of one page, and one more to see whether there is a next

_STATES = {
    "failed": SQL("l.status = 'failed' AND l.hold_reason IS NULL"),
    "due": SQL("l.due_at IS NOT NULL"),
    "held": SQL("l.hold_reason IS NOT NULL"),
}


@dataclass(frozen=True)
class ListedRecord:
    """A record in a list.

    Attributes:
        id: of the record.
        line: its line.
        owner: short name of its owner.
        recorded_at: when it was recorded, saved or run.
        title: its title, or what it came as: whose response, which address, which file.
        status: as people see it.
        failed_step: the first step that failed; None if none did.
        error: why it did.
    """

    id: int
    line: str
    owner: str
    recorded_at: datetime
    title: str | None
    status: str
    failed_step: str | None
    error: str | None


def list_records(
    connection: Connection,
    *,
    state: State | None = None,
    line: str | None = None,
    owner_id: int | None = None,
    since: date | None = None,
    words: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[ListedRecord]:
    """Records as they were added, the newest first.

    Args:
        connection: to the database.
        state: `failed`: a step has failed for good; `due`: a step is to be made, now or later;
            `held`: a step is held.
        line: only of this line.
        owner_id: only of this owner.
        since: only those recorded on this day (UTC) or later.
        words: only those whose title, address, file name, summary or text has words that begin so.
        before: only those with a lower id: the last id of a page gives the next page.
        limit: the most records.

    Raises:
        InvalidInput: there is no such line, or `words` has no letter or digit.
    """
    if line is not None:
        lookup.check_line(connection, line)
    # A day of any line is looked up line by line: so the index of partitions can be used.
    every = lookup.lines(connection) if since and not line else None
    conditions: list[SQL | Composed] = [SQL("true")]
    if state is not None:
        conditions.append(
            SQL("EXISTS (SELECT FROM ledger l WHERE l.record_id = r.id AND {})").format(
                _STATES[state]
            )
        )
    asked: dict[str, Any] = {"limit": min(limit, MOST)}
    for name, value, condition in (
        ("line", line, SQL("r.line = %(line)s")),
        ("lines", every, SQL("r.line = ANY(%(lines)s)")),
        ("owner", owner_id, SQL("r.owner_id = %(owner)s")),
        ("since", since, SQL("r.recorded_at >= %(since)s::date")),
        ("before", before, SQL("r.id < %(before)s")),
        ("query", None if words is None else prefixes(words), _has_words()),
    ):
        if value is not None:
            conditions.append(condition)
            asked[name] = value
    with connection.cursor(row_factory=class_row(ListedRecord)) as cursor:
        return cursor.execute(_page(conditions), asked).fetchall()


def _page(conditions: Sequence[SQL | Composed]) -> Composed:
    # The page first, by itself: titles, statuses and errors are looked up for its records alone.
    # OFFSET 0 keeps the planner from joining the view whole, which would count every record.
    return SQL(
        """
        WITH page AS MATERIALIZED (
            SELECT r.id, r.line, r.owner_id, r.recorded_at FROM records r
            WHERE {conditions} ORDER BY r.id DESC LIMIT %(limit)s
        )
        SELECT r.id, r.line, o.slug AS owner, r.recorded_at,
               coalesce(about.title, about.came_as) AS title,
               coalesce(s.status, 'PENDING') AS status, failed.step AS failed_step,
               failed.error_message AS error
        FROM page r
        JOIN owners o ON o.id = r.owner_id
        {about}
        LEFT JOIN LATERAL (
            SELECT status FROM record_status WHERE record_id = r.id OFFSET 0) AS s ON true
        LEFT JOIN LATERAL (
            SELECT step, error_message FROM ledger
            WHERE record_id = r.id AND status = 'failed' AND hold_reason IS NULL
            ORDER BY finished_at LIMIT 1) AS failed ON true
        ORDER BY r.id DESC
        """
    ).format(conditions=SQL(" AND ").join(conditions), about=about())


def _has_words() -> Composed:
    # Each table is searched by its own index; what has no words of its own there is left out.
    tables = [table for module in lines.LINES for table in module.words]
    searched = [
        SQL("SELECT record_id FROM passages WHERE search @@ to_tsquery('simple', %(query)s)")
    ]
    searched += [
        SQL(
            f"SELECT record_id FROM {table}"  # noqa: S608
            f" WHERE to_tsvector('simple', {text}) @@ to_tsquery('simple', %(query)s)"
        )
        for table, text in tables
    ]
    return SQL("r.id IN ({})").format(SQL(" UNION ").join(searched))


def prefixes(words: str) -> str:
    """A text query for all of the words, each of which may go on.

    Raises:
        InvalidInput: there is no letter or digit.
    """
    found = re.findall(r"[^\W_]+", words)
    if not found:
        raise InvalidInput("the words to search for have no letter or digit")
    return " & ".join(f"{word}:*" for word in found)
