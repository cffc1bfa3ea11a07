"""Which records there are: a page of them, newest first, and what to say of an unknown name.

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

from keepsake.database import Connection
from keepsake.errors import InvalidInput

State = Literal["failed", "due", "held"]
MOST = 1001  # records of one page, and one more to see whether there is a next

_STATES = {
    "failed": SQL("l.status = 'failed' AND l.held IS NULL"),
    "due": SQL("l.due_at IS NOT NULL"),
    "held": SQL("l.held IS NOT NULL"),
}


@dataclass(frozen=True)
class Listed:
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
) -> list[Listed]:
    """Records as they came in, the newest first.

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
        check_line(connection, line)
    # A day of any line is looked up line by line: so the index of partitions can be used.
    every = lines(connection) if since and not line else None
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
        ("query", None if words is None else _prefixes(words), _HAS_WORDS),
    ):
        if value is not None:
            conditions.append(condition)
            asked[name] = value
    with connection.cursor(row_factory=class_row(Listed)) as cursor:
        return cursor.execute(_page(conditions), asked).fetchall()


# Each table is searched by its own index; what has no words of its own there is left out.
_HAS_WORDS = SQL(
    """r.id IN (
    SELECT record_id FROM passages WHERE search @@ to_tsquery('simple', %(query)s)
    UNION SELECT record_id FROM stories
        WHERE to_tsvector('simple', title || ' ' || summary) @@ to_tsquery('simple', %(query)s)
    UNION SELECT record_id FROM responses
        WHERE to_tsvector('simple', coalesce(text, '')) @@ to_tsquery('simple', %(query)s)
    UNION SELECT record_id FROM bookmarks
        WHERE to_tsvector('simple', coalesce(title, '') || ' '
                                    || translate(url, '/.-_?=&', '       '))
              @@ to_tsquery('simple', %(query)s)
    UNION SELECT record_id FROM pages
        WHERE to_tsvector('simple', coalesce(title, '') || ' ' || coalesce(site, ''))
              @@ to_tsquery('simple', %(query)s)
    UNION SELECT record_id FROM activity_files
        WHERE to_tsvector('simple', coalesce(title, '') || ' '
                                    || translate(file_name, '.-_', '   '))
              @@ to_tsquery('simple', %(query)s))"""
)


def _page(conditions: Sequence[SQL | Composed]) -> Composed:
    # The page first, by itself: titles, statuses and errors are looked up for its records alone.
    # OFFSET 0 keeps the planner from joining the view whole, which would count every record.
    return SQL(
        """
        WITH page AS MATERIALIZED (
            SELECT r.id, r.line, r.owner_id, r.recorded_at FROM records r
            WHERE {conditions} ORDER BY r.id DESC LIMIT %(limit)s
        )
        SELECT page.id, page.line, o.slug AS owner, page.recorded_at,
               coalesce((SELECT value FROM edits WHERE record_id = page.id AND field = 'title'
                         AND page.line = 'family' ORDER BY edits.id DESC LIMIT 1),
                        stories.title, bookmarks.title, pages.title, bookmarks.url,
                        activity_files.title, activity_files.file_name,
                        CASE WHEN responses.text IS NULL THEN 'spoken by ' ELSE 'written by ' END
                        || members.name) AS title,
               coalesce(s.status, 'PENDING') AS status, failed.step AS failed_step,
               failed.error_message AS error
        FROM page
        JOIN owners o ON o.id = page.owner_id
        LEFT JOIN stories ON stories.record_id = page.id
        LEFT JOIN responses ON responses.record_id = page.id
        LEFT JOIN members ON members.id = responses.member_id
        LEFT JOIN bookmarks ON bookmarks.record_id = page.id
        LEFT JOIN pages ON pages.record_id = page.id
        LEFT JOIN activity_files ON activity_files.record_id = page.id
        LEFT JOIN LATERAL (
            SELECT status FROM record_status WHERE record_id = page.id OFFSET 0) AS s ON true
        LEFT JOIN LATERAL (
            SELECT step, error_message FROM ledger
            WHERE record_id = page.id AND status = 'failed' AND held IS NULL
            ORDER BY finished_at LIMIT 1) AS failed ON true
        ORDER BY page.id DESC
        """
    ).format(conditions=SQL(" AND ").join(conditions))


def _prefixes(words: str) -> str:
    """A text query for all of the words, each of which may go on."""
    found = re.findall(r"[^\W_]+", words)
    if not found:
        raise InvalidInput("the words to search for have no letter or digit")
    return " & ".join(f"{word}:*" for word in found)


def lines(connection: Connection) -> list[str]:
    """The names of the lines."""
    return [row[0] for row in connection.execute("SELECT DISTINCT line FROM steps ORDER BY line")]


def check_line(connection: Connection, name: str) -> None:
    """Let a name pass that a line has.

    Raises:
        InvalidInput: no line has it; the message lists those there are.
    """
    known = lines(connection)
    if name not in known:
        raise InvalidInput(f"there is no line {name!r} (known: {', '.join(known)})")


def check_names(
    connection: Connection,
    *,
    record_id: int | None = None,
    step: str | None = None,
    line: str | None = None,
) -> None:
    """Let pass what exists: a record, a step of it or of the line, a line.

    Raises:
        InvalidInput: one of them does not exist; the message lists what does.
    """
    if line is not None:
        check_line(connection, line)
    if record_id is not None:
        of = line_of(connection, record_id)
        if line not in (None, of):
            raise InvalidInput(f"record {record_id} is of the line {of}, not of {line}")
        line = of
    if step is not None:
        _check_step(connection, step, line=line, record_id=record_id)


def _check_step(
    connection: Connection, name: str, *, line: str | None, record_id: int | None
) -> None:
    # A record may have rows of steps that its line no longer has.
    rows = connection.execute(
        "SELECT name FROM steps WHERE %(line)s::text IS NULL OR line = %(line)s"
        " UNION SELECT step FROM ledger WHERE record_id = %(record_id)s ORDER BY 1",
        {"line": line, "record_id": record_id},
    ).fetchall()
    known = [row[0] for row in rows]
    if name not in known:
        where = f"record {record_id} has" if record_id else f"{line} has" if line else "there is"
        raise InvalidInput(f"{where} no step {name!r} (known: {', '.join(known)})")


def line_of(connection: Connection, record_id: int) -> str:
    """The line of a record.

    Raises:
        InvalidInput: there is no such record; the message says which ids there are.
    """
    row = connection.execute("SELECT line FROM records WHERE id = %s", (record_id,)).fetchone()
    if row is None:
        raise unknown_record(connection, record_id)
    return str(row[0])


def unknown_record(connection: Connection, record_id: int) -> InvalidInput:
    """The error for an id that no record has."""
    row = connection.execute("SELECT min(id), max(id) FROM records").fetchone()
    lowest, highest = row or (None, None)
    known = "there are none yet" if lowest is None else f"ids run from {lowest} to {highest}"
    return InvalidInput(f"there is no record {record_id} ({known}): see `keepsake records`")
