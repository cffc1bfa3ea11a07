"""The code location: every asset, sensor and schedule, wired to the resources.

`build_defs()` makes it anew, with other resources where a test or a deployment wants them.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.bookmarks.bookmarks import bookmarks
from assets.bookmarks.line import bookmarks_job, bookmarks_line
from assets.family.interview_prompts import interview_prompts
from assets.family.line import family, family_job
from assets.family.responses import responses
from assets.running.line import activity_files, running, running_job
from assets.running.trends import trends
from assets.running.weekly_digests import weekly_digests
from keepsake.settings import load_settings
from resources.database import DatabaseResource
from resources.models import ModelsResource
from resources.objects import objects_resource
from schedules.bookmarks import close_the_bookmarks_day
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
from sensors.outbox import outbox
from sensors.running import new_activities


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions. `resource_overrides` replaces resources by name."""
    settings = load_settings()
    resources: dict[str, Any] = {
        "database": DatabaseResource(),
        "objects": objects_resource(settings),
        "models": ModelsResource.of(settings),
    }
    return dg.Definitions(
        assets=[
            responses,
            family,
            interview_prompts,
            bookmarks,
            bookmarks_line,
            activity_files,
            running,
            weekly_digests,
            trends,
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
        ],
        sensors=[new_responses, new_bookmarks, new_activities, imports_done, outbox],
        schedules=[
            daily_podcasts,
            close_the_day,
            daily_quote,
            send_interview_prompts,
            weekly_interview_prompts,
            close_the_bookmarks_day,
            close_the_month,
            nightly_digests,
            nightly_trends,
        ],
        resources={**resources, **(resource_overrides or {})},
        # One process a run: the line overlaps its own work, and a process a step costs seconds.
        executor=dg.in_process_executor,
    )


defs = build_defs()
