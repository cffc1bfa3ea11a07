"""Where each runner's running is going: volume, pace at heart rate, intensity, races, by month.

A row a runner and month, computed from all runs up to its end by published formulas that
`keepsake/running/trends.py` names. No model is asked. Months are those of the runner's own
calendar. Every night the months that have new runs are made again, the newest first; materialise
old months from here after a large import, many in one run.
"""

import dagster as dg

from assets.line_assets import OWNERS, kinds_of, table_schema
from assets.partitions import Calendar
from assets.running.per_runner import DEPS, periods_of, result
from keepsake.running.activity import LINE
from keepsake.running.history import month_after
from keepsake.running.monthly import make_trends
from keepsake.running.per_runner import for_each_runner
from keepsake.settings import Settings
from resources.database import DatabaseResource

COLUMNS = (
    ("owner_id", "bigint", "whose month it is"),
    ("month", "date", "its first day"),
    ("facts", "jsonb", "what was computed: see `Month` in keepsake/running/months.py"),
    ("made_at", "timestamptz", "when its runs were read"),
)


def trends(settings: Settings, calendar: Calendar) -> dg.AssetsDefinition:
    """The asset, by month."""

    @dg.asset(
        name="trends",
        group_name="running",
        deps=DEPS[:1],
        description=__doc__,
        partitions_def=calendar.calendar_months(LINE),
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version="2",
        kinds=kinds_of(settings),
        owners=OWNERS,
        metadata={
            "dagster/table_name": "keepsake.trends",
            "dagster/column_schema": table_schema(COLUMNS),
        },
    )
    def make(context: dg.AssetExecutionContext, database: DatabaseResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """Compute these months for everyone who ran in them."""
        months = periods_of(context)
        with database.connect() as connection:
            made = for_each_runner(
                connection,
                months[0],
                month_after(months[-1]),
                lambda owner: make_trends(connection, owner, months),
            )
        return result(made, "months")

    return make
