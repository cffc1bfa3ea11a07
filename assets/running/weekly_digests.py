"""What each runner's week came to: its facts as a row, and a page to read, print or send.

Volume against the weeks before, each run among its like, pace at heart rate, time in zones, race
predictions and suggestions, each by a published rule that is named. No model is asked. Weeks are
those of the runner's own calendar, whatever UTC says of a run late on Sunday. Every night the
weeks that have new runs or letters are made again, the newest first; materialise old weeks from
here after a large import, many in one run, or one by `keepsake digest --make`. A week that is not
over is described so far, and once more when it is.
"""

from datetime import timedelta

import dagster as dg

from assets.line_assets import OWNERS, kinds_of, table_schema
from assets.partitions import Calendar
from assets.running.per_runner import DEPS, periods_of, result
from keepsake.running.activity import LINE
from keepsake.running.per_runner import for_each_runner
from keepsake.running.weekly import make_digests
from keepsake.settings import Settings
from resources.database import DatabaseResource
from resources.objects import ObjectsResource

COLUMNS = (
    ("owner_id", "bigint", "whose week it is"),
    ("week", "date", "its Monday"),
    ("facts", "jsonb", "what was computed: see `Digest` in keepsake/running/digest.py"),
    ("page_key", "text", "the HTML page: its object"),
    ("made_at", "timestamptz", "when its runs were read"),
)


def weekly_digests(settings: Settings, calendar: Calendar) -> dg.AssetsDefinition:
    """The asset, by week."""

    @dg.asset(
        name="weekly_digests",
        group_name="running",
        deps=DEPS,
        description=__doc__,
        partitions_def=calendar.weeks(LINE),
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version="2",
        kinds=kinds_of(settings, objects=True) | {"html"},
        owners=OWNERS,
        metadata={
            "dagster/table_name": "keepsake.weekly_digests",
            "dagster/column_schema": table_schema(COLUMNS),
        },
    )
    def make(
        context: dg.AssetExecutionContext,
        database: DatabaseResource,
        objects: dg.ResourceParam[ObjectsResource],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """Make the digests of these weeks for everyone who ran in them."""
        weeks = periods_of(context)
        store = objects.store()
        with database.connect() as connection:
            made = for_each_runner(
                connection,
                weeks[0],
                weeks[-1] + timedelta(days=7),
                lambda owner: make_digests(connection, store, owner, weeks),
            )
        return result(made, "digests")

    return make
