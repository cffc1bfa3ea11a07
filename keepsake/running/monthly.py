"""The trends of an owner's months, made and stored: a row each.

What a row holds is in `months.py`. The asset `trends` makes them every night.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from keepsake.database import Connection
from keepsake.owners.owners import Owner
from keepsake.running.history import best_efforts, clock, month_after, read_runs

if TYPE_CHECKING:
    from keepsake.running.months import Month


def make_trends(connection: Connection, owner: Owner, months: Sequence[date]) -> int:
    """Make and store the trends of these months, given by their first days; returns how many.

    A month without runs has none.
    """
    read_at = clock(connection)
    rows: list[tuple[Any, ...]] = [
        (owner.id, found.month, Jsonb(found.model_dump(mode="json")), read_at)
        for found in _months(connection, owner, months)
    ]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO trends (owner_id, month, facts, made_at) VALUES (%s, %s, %s, %s)
            ON CONFLICT (owner_id, month) DO UPDATE SET facts = excluded.facts,
                made_at = excluded.made_at
            """,
            rows,
        )
    return len(rows)


def _months(connection: Connection, owner: Owner, months: Sequence[date]) -> "list[Month]":
    from keepsake.running.months import make_month
    from keepsake.running.predictions import RECENT_DAYS

    runs = read_runs(connection, owner)
    ran = set(runs["month"].dt.date)
    found = []
    for month in months:
        if month in ran:
            end = month_after(month)
            efforts = best_efforts(connection, owner, end - timedelta(days=RECENT_DAYS), end)
            found.append(make_month(runs, efforts, month))
    return found
