"""Keeping the figures of owners small: old ones are merged into hours, older ones are deleted.

The totals of the whole system have no age, and stay.
"""

from datetime import timedelta
from typing import LiteralString

from keepsake.database import Connection

FIVE_MINUTES_KEPT = timedelta(days=2)
HOURS_KEPT = timedelta(days=400)
AT_ONCE = 10_000  # rows that a statement takes

_HOUR: LiteralString = "date_bin('1 hour', at, '2000-01-01 00:00Z')"
# A row at the beginning of its hour becomes that of the hour.
_MERGE: LiteralString = f"""
    WITH old AS (
        DELETE FROM owner_metrics WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM owner_metrics
            WHERE at < date_trunc('hour', now() - %s, 'UTC') AND at <> {_HOUR} LIMIT %s))
        RETURNING owner_id, {_HOUR} AS hour, metric, labels, value),
    merged AS (
        INSERT INTO owner_metrics AS m (owner_id, at, metric, labels, value)
        SELECT owner_id, hour, metric, labels, sum(value) FROM old GROUP BY 1, 2, 3, 4
        ON CONFLICT (owner_id, at, metric, labels) DO UPDATE SET value = m.value + excluded.value)
    SELECT count(*) FROM old
"""  # noqa: S608
_DELETE: LiteralString = """
    WITH old AS (
        DELETE FROM owner_metrics WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM owner_metrics WHERE at < now() - %s LIMIT %s))
        RETURNING 1)
    SELECT count(*) FROM old
"""


def thin_out(connection: Connection) -> int:
    """Merge and delete old figures of owners, some at a time. Returns how many rows are gone."""
    return sum(
        _repeated(connection, statement, kept)
        for statement, kept in ((_DELETE, HOURS_KEPT), (_MERGE, FIVE_MINUTES_KEPT))
    )


def _repeated(connection: Connection, statement: LiteralString, kept: timedelta) -> int:
    gone = 0
    while True:
        row = connection.execute(statement, (kept, AT_ONCE)).fetchone()
        found = row[0] if row else 0
        gone += found
        if found < AT_ONCE:
            return gone
