"""Closing a line's day: in the night after, all of it once more, so that it can be called whole."""

from datetime import timedelta

import dagster as dg

from assets.line_assets import partition_tag
from assets.partitions import Calendar


def closes_the_day(
    line: str, calendar: Calendar, *, job_name: str, minute: int = 30
) -> dg.ScheduleDefinition:
    """The schedule that closes a line's days, at `minute` past midnight (UTC)."""
    days = calendar.days(line)

    @dg.schedule(
        name=f"close_the_{line}_day",
        job_name=job_name,
        cron_schedule=f"{minute} 0 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every night the day that has ended once more, in full: what failed is tried "
        "again, what is up to date costs nothing, and its checks say whether the day is whole.",
    )
    def close(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """One run of all steps over yesterday."""
        yesterday = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
        if not days.has_partition_key(yesterday):
            return dg.SkipReason("no record is as old as yesterday")
        return dg.RunRequest(
            run_key=f"close-{yesterday}",
            partition_key=yesterday,
            tags=partition_tag(line, yesterday),
        )

    return close
