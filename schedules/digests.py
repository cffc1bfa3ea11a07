"""The running journal by the clock: digests and trends for what was added since.

No sensor asks for them: a week's runs come one by one, and one page in the morning is what a runner
reads. A week ends at other moments in other time zones; a run after the night's page was
made is in the next one.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Protocol

import dagster as dg

from assets.partitions import Calendar
from keepsake.database import Connection
from keepsake.running.activity import LINE
from keepsake.running.history import outdated_months, outdated_weeks
from resources.database import DatabaseResource


class Outdated(Protocol):
    """Finds the weeks or months that are out of date, the newest first."""

    def __call__(self, connection: Connection, *, limit: int) -> Sequence[date]:
        """Their first days."""


RUNNING = dg.DefaultScheduleStatus.RUNNING
AT_ONCE = 26  # weeks or months a night; the older ones of a large import follow the nights after

weekly_digests_job = dg.define_asset_job(
    "running_digests",
    selection=dg.AssetSelection.assets("weekly_digests"),
    description="What each runner's week came to, as a page.",
)
trends_job = dg.define_asset_job(
    "running_trends",
    selection=dg.AssetSelection.assets("trends"),
    description="Where each runner's running is going, by month.",
)


def nightly_digests(calendar: Calendar) -> dg.ScheduleDefinition:
    """Digests of the weeks that are out of date."""
    return _nightly(
        "digests",
        job=weekly_digests_job,
        minute=30,
        partitions=calendar.weeks(LINE),
        outdated=outdated_weeks,
        description="Every night a digest for each week with runs or letters that its digest does "
        "not cover yet: this week, on Monday the one that has ended, and old ones after an "
        "import.",
    )


def nightly_trends(calendar: Calendar) -> dg.ScheduleDefinition:
    """Trends of the months that are out of date."""
    return _nightly(
        "trends",
        job=trends_job,
        minute=45,
        partitions=calendar.calendar_months(LINE),
        outdated=outdated_months,
        description="Every night the trends of each month with runs that are not in them yet.",
    )


def _nightly(
    name: str,
    *,
    job: Any,
    minute: int,
    partitions: dg.TimeWindowPartitionsDefinition,
    outdated: Outdated,
    description: str,
) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"nightly_{name}",
        job=job,
        cron_schedule=f"{minute} 4 * * *",
        execution_timezone="UTC",
        default_status=RUNNING,
        description=description,
    )
    def ask(
        context: dg.ScheduleEvaluationContext, database: DatabaseResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """One run for each period that is out of date, the newest first."""
        with database.connect() as connection:
            periods = outdated(connection, limit=AT_ONCE)
        # Older records may have been added since the code location was loaded: to ask for what is
        # no partition yet would fail the tick.
        keys = [p.isoformat() for p in periods if partitions.has_partition_key(p.isoformat())]
        if not keys:
            yield dg.SkipReason(f"the {name} cover every run")
        for key in keys:
            yield dg.RunRequest(
                run_key=f"{name}-{context.scheduled_execution_time:%Y-%m-%d}-{key}",
                partition_key=key,
            )

    return ask
