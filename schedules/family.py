"""The family line by the clock: nightly podcasts, closing the day, weekly questions."""

from collections.abc import Iterator

import dagster as dg

from assets.family.line import family_job
from assets.line_assets import partition_tag
from assets.partitions import Calendar
from keepsake.family.response import days_with_stories_without_podcast
from resources.database import DatabaseResource
from schedules.closing import closes_the_day

RUNNING = dg.DefaultScheduleStatus.RUNNING
DAYS_AT_ONCE = 31

interview_prompts_job = dg.define_asset_job(
    "weekly_questions",
    selection=dg.AssetSelection.assets("interview_prompts"),
    description="Questions to ask each family next.",
)


def daily_podcasts(calendar: Calendar) -> dg.ScheduleDefinition:
    """Episodes for the stories that have none."""
    partitions = calendar.days("family")

    @dg.schedule(
        name="daily_podcasts",
        job=family_job,
        cron_schedule="0 3 * * *",
        execution_timezone="UTC",
        default_status=RUNNING,
        description="Every night an episode for each story that has none.",
    )
    def ask(
        context: dg.ScheduleEvaluationContext, database: DatabaseResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """One run for each day that has stories without an episode, the newest days first."""
        with database.connect() as connection:
            found = days_with_stories_without_podcast(connection, limit=DAYS_AT_ONCE)
        # Older records may have been added since the code location was loaded.
        days = [day for day in found if partitions.has_partition_key(day.isoformat())]
        if not days:
            yield dg.SkipReason("every story has its episode")
        for day in days:
            yield dg.RunRequest(
                run_key=f"podcasts-{context.scheduled_execution_time:%Y-%m-%d}-{day}",
                partition_key=day.isoformat(),
                tags=partition_tag("family", day.isoformat()),
                asset_selection=[dg.AssetKey("podcasts")],
            )

    return ask


def close_the_day(calendar: Calendar) -> dg.ScheduleDefinition:
    """The family's day once more, in full."""
    return closes_the_day("family", calendar, job_name=family_job.name)


weekly_interview_prompts = dg.build_schedule_from_partitioned_job(
    interview_prompts_job,
    name="weekly_interview_prompts",
    hour_of_day=6,
    default_status=RUNNING,
    description="Every Monday a few questions to ask each family next.",
)
