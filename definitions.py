"""The code location: every asset, sensor and schedule, wired to the resources.

`build_defs(settings)` puts it together from settings that are read once; a test or a deployment
gives it others, or other resources. Runs, sensors and schedules get the settings as a resource:
Dagster stores nothing of a resource that is a plain object, so no key lands in a run's
configuration.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.bookmarks.bookmarks import bookmarks
from assets.bookmarks.line import bookmarks_job, bookmarks_line
from assets.family.interview_prompts import interview_prompts
from assets.family.line import family_job, family_line
from assets.family.responses import responses
from assets.partitions import read_calendar
from assets.running.line import activity_files, running_job, running_line
from assets.running.trends import trends
from assets.running.weekly_digests import weekly_digests
from keepsake.lines import check_scheduled_steps
from keepsake.settings import Settings, load_settings
from resources.database import DatabaseResource
from resources.models import ModelsResource
from resources.objects import objects_resource
from schedules.backups import backup_schedules, create_backup_job, verify_backup_job
from schedules.bookmarks import close_the_bookmarks_day
from schedules.clean_up import clean_up, clean_up_job
from schedules.daily_quote import daily_quote, daily_quote_job
from schedules.digests import nightly_digests, nightly_trends, trends_job, weekly_digests_job
from schedules.family import (
    close_the_day,
    daily_podcasts,
    interview_prompts_job,
    weekly_interview_prompts,
)
from schedules.running import close_the_month
from schedules.weekly_prompts import send_interview_prompts, send_interview_prompts_job
from sensors.batches import imports_done
from sensors.bookmarks import new_bookmarks
from sensors.family import new_responses
from sensors.jobs import tracked_jobs
from sensors.outbox import outbox
from sensors.running import new_activities


def build_defs(
    settings: Settings, resource_overrides: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """All definitions. `resource_overrides` replaces resources by name.

    Raises:
        SettingsError: STEPS_ON_SCHEDULE names no step.
    """
    check_scheduled_steps(settings)
    calendar = read_calendar(settings)
    resources: dict[str, Any] = {
        "settings": settings,
        "database": DatabaseResource(settings=settings),
        "objects": objects_resource(settings),
        "models": ModelsResource.of(settings),
    }
    return dg.Definitions(
        assets=[
            responses,
            family_line(settings, calendar),
            interview_prompts(settings, calendar),
            bookmarks,
            bookmarks_line(settings, calendar),
            activity_files,
            running_line(settings, calendar),
            weekly_digests(settings, calendar),
            trends(settings, calendar),
        ],
        jobs=[
            family_job,
            interview_prompts_job,
            daily_quote_job,
            send_interview_prompts_job,
            bookmarks_job,
            running_job,
            weekly_digests_job,
            trends_job,
            clean_up_job,
            create_backup_job,
            verify_backup_job,
        ],
        sensors=[
            new_responses(calendar),
            new_bookmarks(calendar),
            new_activities(calendar),
            tracked_jobs(calendar),
            imports_done,
            outbox,
        ],
        schedules=[
            daily_podcasts(calendar),
            close_the_day(calendar),
            daily_quote,
            send_interview_prompts,
            weekly_interview_prompts,
            close_the_bookmarks_day(calendar),
            close_the_month(calendar),
            nightly_digests(calendar),
            nightly_trends(calendar),
            clean_up,
            *backup_schedules(settings),
        ],
        resources={**resources, **(resource_overrides or {})},
        # One process a run: the line overlaps its own work, and a process a step costs seconds.
        executor=dg.in_process_executor,
    )


defs = build_defs(load_settings())
