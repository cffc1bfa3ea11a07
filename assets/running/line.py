"""The running line in Dagster: its steps as one multi-asset, over its partitions."""

import dagster as dg

from assets.line_assets import assets_of, line_multi_asset
from assets.partitions import Calendar
from assets.running.activities import ACTIVITIES
from assets.running.coaching_insights import COACHING_INSIGHTS
from assets.running.letters import LETTERS
from assets.sources import source_asset
from keepsake.running.activity import LINE
from keepsake.running.line import RUNNING
from keepsake.settings import Settings

activity_files = source_asset(
    "activity_files",
    line=LINE,
    description="Source: activity files, by the time that they start at.",
    columns=(
        ("record_id", "bigint", "the activity"),
        ("file_key", "text", "the object of the file, as it came"),
        ("file_name", "text", "the name that it came with"),
        ("format", "text", "`fit`, `gpx` or `tcx`"),
        ("sha256", "text", "of what it holds, unpacked"),
        ("title", "text", "the runner's own name for the activity"),
        ("sport", "text", "as an archive lists it: used where the file names none"),
        ("part", "smallint", "which of the activities in the file it is, from 1"),
    ),
)


def running_line(settings: Settings, calendar: Calendar) -> dg.AssetsDefinition:
    """The steps of the running line, by month."""
    return line_multi_asset(
        RUNNING,
        source="activity_files",
        assets=(ACTIVITIES, LETTERS, COACHING_INSIGHTS),
        partitions=calendar.months(LINE),
        settings=settings,
    )


running_job = dg.define_asset_job(
    "running_line",
    selection=assets_of(RUNNING),
    description="Carries activities through the steps of the running line, all or some of them.",
)
