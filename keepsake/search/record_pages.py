"""Pages of an owner's records, those recorded last first.

A page begins after the moment and the id of the last record of the page before (a keyset), so that
the thousandth costs what the first does, and records that come in meanwhile move none.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, LiteralString

from psycopg.rows import class_row
from psycopg.sql import SQL, Composable, Composed

from keepsake import lines
from keepsake.database import AsyncConnection
from keepsake.search.about import about
from keepsake.search.filters import Filters, kinds
from keepsake.search.listing import prefixes

MOST_MATCHES = 10_000  # records with the words that are asked for; of more, those found first

WALK = 5_000  # records that a page looks at, at most, where no index knows those of a status
FEW = 1_000  # records that are not all made, up to which these are looked at instead

# What `record_status` counts, asked row by row: a list ends its walk when its page is full.
_DUE = SQL("EXISTS (SELECT FROM ledger l WHERE l.record_id = r.id AND l.due_at IS NOT NULL)")
_BEGUN = SQL("EXISTS (SELECT FROM ledger l WHERE l.record_id = r.id AND l.status <> 'pending')")
_MADE = SQL("EXISTS (SELECT FROM ledger l WHERE l.record_id = r.id AND l.status = 'succeeded')")
_FAILED = SQL("EXISTS (SELECT FROM ledger l WHERE l.record_id = r.id AND l.status = 'failed')")
_STATUSES = {
    "PENDING": SQL("NOT {}").format(_BEGUN),
    "PROCESSING": SQL("{} AND {}").format(_DUE, _BEGUN),
    "COMPLETED": SQL("{} AND NOT {} AND NOT {}").format(_MADE, _FAILED, _DUE),
    "PARTIAL_SUCCESS": SQL("{} AND {} AND NOT {}").format(_FAILED, _MADE, _DUE),
    "FAILED": SQL("{} AND NOT {} AND NOT {}").format(_FAILED, _MADE, _DUE),
}


@dataclass(frozen=True)
class Wanted:
    """Which records to list; None: all.

    Attributes:
        line: of this line.
        status: with this status, as `record_status` has it.
        batch: taken in with this batch.
        tag: with this tag; case does not matter.
        words: with words that begin so, in any text of theirs.
        since: recorded on this day (UTC) or later.
        until: recorded on this day (UTC) or earlier.
        priority: of this priority.
    """

    line: str | None = None
    status: str | None = None
    batch: int | None = None
    tag: str | None = None
    words: str | None = None
    since: date | None = None
    until: date | None = None
    priority: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no record can match.

        Raises:
            InvalidInput: there is no such line, the days are the wrong way round, or the words have
                no letter or digit.
        """
        Filters(line=self.line, since=self.since, until=self.until)
        if self.words is not None:
            prefixes(self.words)


@dataclass(frozen=True)
class RecordLine:
    """A record in a list.

    Attributes:
        id: of the record.
        line: its line.
        recorded_at: when it was recorded, saved or run.
        title: its title, or what it came as: whose response, which address, which file.
        status: as people see it.
        priority: from -10 to 10.
        batch_id: the import that it came with.
        failed_step: the first step that failed; None if none did.
        error: why it did.
    """

    id: int
    line: str
    recorded_at: datetime
    title: str | None
    status: str
    priority: int
    batch_id: int | None
    failed_step: str | None
    error: str | None


@dataclass(frozen=True)
class Page:
    """Some records, and the moment and id after which the next page begins; None: the last."""

    records: list[RecordLine]
    next: tuple[datetime, int] | None


async def record_page(
    connection: AsyncConnection,
    owner_id: int,
    wanted: Wanted,
    *,
    after: tuple[datetime, int] | None = None,
    limit: int = 50,
) -> Page:
    """A page of an owner's records.

    Where only those of a status are wanted, and many records are not all made, a page looks at
    `WALK` records and may have fewer than `limit`, or none, though there is a next one.

    Args:
        connection: in a transaction of this owner.
        owner_id: whose records.
        wanted: which of them.
        after: `next` of the page before; None: the first page.
        limit: the most records.
    """
    moment, record_id = after or (None, None)
    asked: dict[str, Any] = {
        **vars(wanted),
        "owner": owner_id,
        "until": _end_of(wanted.until),
        "words": None if wanted.words is None else prefixes(wanted.words),
        "kinds": list(kinds()),
        "matches": MOST_MATCHES,
        "moment": moment,
        "record": record_id,
        "limit": limit + 1,
        "walk": WALK,
        "few": await _few_unmade(connection, owner_id, wanted.status),
    }
    conditions = _conditions(wanted, later=after is not None, few=asked["few"] is not None)
    walked = SQL(_WALKED).format(SQL(" AND ").join(conditions))
    async with connection.cursor(row_factory=class_row(RecordLine)) as cursor:
        await cursor.execute(_statement(wanted, walked), asked)
        found = await cursor.fetchall()
    if len(found) > limit:
        last = found[limit - 1]
        return Page(found[:limit], (last.recorded_at, last.id))
    if wanted.status is None:
        return Page(found, None)
    end = await connection.execute(walked + SQL(" OFFSET %(walk)s - 1"), asked)
    row = await end.fetchone()
    return Page(found, row and (row[0], row[1]))


def _end_of(day: date | None) -> date | None:
    """The day after, up to which records are of that day or before; no record is of the last."""
    return day if day in (None, date.max) else day + timedelta(days=1)


async def _few_unmade(
    connection: AsyncConnection, owner_id: int, status: str | None
) -> list[int] | None:
    """The owner's records that are not all made; None: they are many, or nobody asks for them."""
    if status in (None, "COMPLETED"):
        return None
    cursor = await connection.execute(
        "SELECT DISTINCT record_id FROM ledger"
        " WHERE owner_id = %s AND (status <> 'succeeded' OR due_at IS NOT NULL) LIMIT %s",
        (owner_id, FEW + 1),
    )
    found = [record_id for (record_id,) in await cursor.fetchall()]
    return found if len(found) <= FEW else None


_WALKED: LiteralString = (
    "SELECT r.recorded_at, r.id, r.line, r.priority, r.batch_id FROM records r"
    " WHERE {} ORDER BY r.recorded_at DESC, r.id DESC LIMIT %(walk)s"
)


def _statement(wanted: Wanted, walked: Composed) -> Composed:
    # The page first, by itself: titles, statuses and errors are looked up for its records alone.
    # OFFSET 0 keeps the planner from joining the view whole, which would count every record.
    return SQL(
        """
        WITH page AS MATERIALIZED (
            SELECT * FROM ({walked}) AS r WHERE {status}
            ORDER BY r.recorded_at DESC, r.id DESC LIMIT %(limit)s
        )
        SELECT r.id, r.line, r.recorded_at, coalesce(about.title, about.came_as) AS title,
               coalesce(s.status, 'PENDING') AS status, r.priority, r.batch_id,
               failed.step AS failed_step, failed.error_message AS error
        FROM page r
        {about}
        LEFT JOIN LATERAL (
            SELECT status FROM record_status WHERE record_id = r.id OFFSET 0) AS s ON true
        LEFT JOIN LATERAL (
            SELECT step, error_message FROM ledger
            WHERE record_id = r.id AND status = 'failed' AND hold_reason IS NULL
            ORDER BY finished_at LIMIT 1) AS failed ON true
        ORDER BY r.recorded_at DESC, r.id DESC
        """
    ).format(walked=walked, status=_STATUSES.get(wanted.status or "", SQL("true")), about=about())


def _conditions(wanted: Wanted, *, later: bool, few: bool) -> list[Composable]:
    return [
        condition
        for value, condition in (
            (True, SQL("r.owner_id = %(owner)s")),
            (later or None, SQL("(r.recorded_at, r.id) < (%(moment)s, %(record)s)")),
            (wanted.line, SQL("r.line = %(line)s")),
            (few or None, SQL("r.id = ANY(%(few)s)")),
            (wanted.batch, SQL("r.batch_id = %(batch)s")),
            (wanted.tag, _in(*(each.tags.of_tag for each in lines.LINES if each.tags))),
            (wanted.words, _HAS_WORDS),
            (wanted.since, SQL("r.recorded_at >= %(since)s::date")),
            (wanted.until, SQL("r.recorded_at < %(until)s::date")),
            (wanted.priority, SQL("r.priority = %(priority)s")),
        )
        if value is not None
    ]


def _in(*selects: LiteralString) -> Composed:
    # ARRAY: the ids are looked up once, whatever the planner thinks of how many there are.
    return SQL("r.id = ANY(ARRAY({}))").format(SQL(" UNION ").join(SQL(s) for s in selects))


_HAS_WORDS = _in(
    "SELECT record_id FROM texts_with_words(to_tsquery('simple', %(words)s), %(kinds)s::text[],"
    " %(line)s::text, %(since)s::timestamptz, %(until)s::timestamptz, NULL, %(matches)s)",
    "SELECT record_id FROM passages_with_words(to_tsquery('simple', %(words)s),"
    " %(line)s::text, %(since)s::timestamptz, %(until)s::timestamptz, NULL, %(matches)s)",
)
