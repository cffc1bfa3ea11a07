"""Where each runner's running is going: volume, pace at heart rate, intensity, races, by month.

A row a runner and month, computed from all runs up to its end by published formulas that
`keepsake/running/trends.py` names. No model is asked. Months are those of the runner's own
calendar. Every night the months that have new runs are made again, the newest first; materialise
old months from here after a large import, many in one run.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
from psycopg.types.json import Jsonb

from assets.line_assets import OWNERS, kinds_of, table_schema
from assets.partitions import calendar_months
from assets.running.per_runner import DEPS, for_each_runner, periods_of, result
from keepsake.database import Connection
from keepsake.owners.owners import Owner
from keepsake.running.activity import LINE
from keepsake.running.history import best_efforts, clock, month_after, read_runs
from resources.database import DatabaseResource

if TYPE_CHECKING:
    from keepsake.running.months import Month

COLUMNS = (
    ("owner_id", "bigint", "whose month it is"),
    ("month", "date", "its first day"),
    ("facts", "jsonb", "what was computed: see `Month` in keepsake/running/months.py"),
    ("made_at", "timestamptz", "when its runs were read"),
)


@dg.asset(
    group_name="running",
    deps=DEPS[:1],
    description=__doc__,
    partitions_def=calendar_months(LINE),
    backfill_policy=dg.BackfillPolicy.single_run(),
    code_version="2",
    kinds=kinds_of(),
    owners=OWNERS,
    metadata={
        "dagster/table_name": "keepsake.trends",
        "dagster/column_schema": table_schema(COLUMNS),
    },
)
def trends(context: dg.AssetExecutionContext, database: DatabaseResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Compute these months for everyone who ran in them."""
    months = periods_of(context)
    with database.connect() as connection:
        made = for_each_runner(
            context,
            connection,
            months[0],
            month_after(months[-1]),
            lambda owner: _store(connection, owner, months),
        )
    return result(made, "months")


def _store(connection: Connection, owner: Owner, months: Sequence[date]) -> int:
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
