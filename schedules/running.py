"""The running line by the clock: the month once more, every night."""

from datetime import timedelta

import dagster as dg

from assets.line_assets import partition_tag
from assets.partitions import Calendar
from assets.running.line import running_job
from keepsake.running.line import RUNNING


def close_the_month(calendar: Calendar) -> dg.ScheduleDefinition:
    """The month of the day that has ended once more, in full."""
    months = calendar.months(RUNNING.name)

    @dg.schedule(
        name="close_the_running_month",
        job=running_job,
        cron_schedule="0 1 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every night the month of the day that has ended once more, in full: what "
        "failed is tried again, what is up to date costs nothing, and its checks say whether it is "
        "whole.",
    )
    def ask(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        """One run of all steps over the month that yesterday is in."""
        yesterday = (context.scheduled_execution_time - timedelta(days=1)).date()
        month = yesterday.replace(day=1).isoformat()
        if not months.has_partition_key(month):
            return dg.SkipReason("no record is as old as the month of yesterday")
        return dg.RunRequest(
            run_key=f"close-{yesterday}",
            partition_key=month,
            tags=partition_tag(RUNNING.name, month),
        )

    return ask
