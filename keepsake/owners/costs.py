"""What was spent: by owner, line, step, model and day from `spending`, by record from the ledger.

What a model's call costs is in `keepsake/owners/prices.py`. A model without a price costs an
unknown amount, never 0: a sum that holds one is unknown too, and its known part is separate.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, get_args

from psycopg.rows import class_row
from psycopg.sql import SQL

from keepsake.database import Connection
from keepsake.errors import InvalidInput

By = Literal["owner", "line", "step", "model", "day", "record"]

_NAMES = {
    "owner": SQL("o.slug"),
    "line": SQL("s.line"),
    "step": SQL("s.line || ' ' || s.step"),
    "model": SQL("s.model"),
    "day": SQL("s.day::text"),
    "record": SQL("s.record_id::text"),
}
_SPENDING = SQL("spending s JOIN owners o ON o.id = s.owner_id")
# A record's rows know no day but that of the last attempt.
_LEDGER = SQL("(SELECT *, (finished_at AT TIME ZONE 'UTC')::date AS day FROM ledger) AS s")
_FILTER = SQL(
    " WHERE s.calls > 0 AND (%(owner)s::bigint IS NULL OR s.owner_id = %(owner)s)"
    " AND (%(line)s::text IS NULL OR s.line = %(line)s)"
    " AND (%(since)s::date IS NULL OR s.day >= %(since)s)"
)


@dataclass(frozen=True)
class Cost:
    """What one owner, line, step, model, day or record has cost.

    Attributes:
        name: of the owner, line and so on.
        calls: of models.
        tokens_in: read by models.
        tokens_out: written by them.
        audio_seconds: of recordings they listened to.
        characters: of text they spoke.
        known: USD, as far as models have prices.
        cost: USD; None if a part of it is unknown.
    """

    name: str
    calls: int
    tokens_in: int
    tokens_out: int
    audio_seconds: float
    characters: int
    known: Decimal
    cost: Decimal | None


def costs(
    connection: Connection,
    by: str,
    *,
    owner_id: int | None = None,
    line: str | None = None,
    since: date | None = None,
) -> list[Cost]:
    """What was spent, the dearest first; days in their order. Only where a model was called.

    Args:
        connection: to the database.
        by: what each row is about, one of `By`.
        owner_id: only of this owner.
        line: only in this line.
        since: only from this day (UTC) on; a record counts by the day it was last worked on.

    Raises:
        InvalidInput: `by` is none of them.
    """
    if by not in _NAMES:
        raise InvalidInput(f"costs are shown by {', '.join(get_args(By))}, not by {by!r}")
    query = SQL(
        "SELECT {name} AS name, sum(s.calls)::bigint AS calls,"
        " sum(s.tokens_in)::bigint AS tokens_in, sum(s.tokens_out)::bigint AS tokens_out,"
        " sum(s.audio_seconds)::float AS audio_seconds, sum(s.characters)::bigint AS characters,"
        " coalesce(sum(s.cost), 0) AS known,"
        " CASE WHEN bool_and(s.cost IS NOT NULL) THEN sum(s.cost) END AS cost"
        " FROM {table} {filter} GROUP BY 1 ORDER BY {order}"
    ).format(
        name=_NAMES[by],
        table=_LEDGER if by == "record" else _SPENDING,
        filter=_FILTER,
        order=SQL("name" if by == "day" else "known DESC, calls DESC, name"),
    )
    with connection.cursor(row_factory=class_row(Cost)) as cursor:
        return cursor.execute(query, {"owner": owner_id, "line": line, "since": since}).fetchall()


def total(rows: Iterable[Cost]) -> Cost:
    """Their sum; unknown if one of them is."""
    rows = list(rows)
    known = sum((row.known for row in rows), Decimal())
    return Cost(
        name="total",
        calls=sum(row.calls for row in rows),
        tokens_in=sum(row.tokens_in for row in rows),
        tokens_out=sum(row.tokens_out for row in rows),
        audio_seconds=sum(row.audio_seconds for row in rows),
        characters=sum(row.characters for row in rows),
        known=known,
        cost=None if any(row.cost is None for row in rows) else known,
    )


def unpriced_models(
    connection: Connection,
    *,
    owner_id: int | None = None,
    line: str | None = None,
    since: date | None = None,
) -> list[str]:
    """The models that were called and whose cost is unknown."""
    query = SQL("SELECT DISTINCT s.model FROM {} {} AND s.cost IS NULL ORDER BY 1").format(
        _SPENDING, _FILTER
    )
    rows = connection.execute(query, {"owner": owner_id, "line": line, "since": since})
    return [row[0] for row in rows]


def usd(known: Decimal, cost: Decimal | None) -> str:
    """An amount as people read it, such as `0.81`, `0.81 + unknown` or `unknown`."""
    if cost is None and not known:
        return "unknown"
    amount = f"{known:,.2f}" if not known or known >= Decimal("0.1") else f"{known:.4f}"
    if known and not amount.strip("0."):
        amount = "under 0.0001"
    return amount if cost is not None else f"{amount} + unknown"
