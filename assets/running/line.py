"""The running line put together: its steps in order, its checks, its partitions, its asset."""

import dagster as dg

from assets.line_assets import ContentCheck, line_multi_asset
from assets.partitions import months
from assets.running.activities import ACTIVITIES
from assets.running.coaching_insights import COACHING_INSIGHTS, insights_grounded
from assets.running.letters import LETTERS, letters_grounded, letters_plain
from assets.sources import came_in_asset
from keepsake.pipeline.line import Line
from keepsake.running.activity import LINE, load_activities

STEP_ASSETS = (ACTIVITIES, LETTERS, COACHING_INSIGHTS)

RUNNING = Line(LINE, tuple(asset.step for asset in STEP_ASSETS), load_activities)

CONTENT_CHECKS = (
    ContentCheck(
        "letters",
        "letters_plain",
        "Every letter is plain text: no Markdown, no links.",
        letters_plain,
    ),
    ContentCheck(
        "letters",
        "letters_grounded",
        "Every number in a letter is one of the activity's facts.",
        letters_grounded,
    ),
    ContentCheck(
        "coaching_insights",
        "insights_grounded",
        "Every number in an insight is one of the activity's facts.",
        insights_grounded,
    ),
)

activity_files = came_in_asset(
    "activity_files",
    line=LINE,
    description="What came in: activity files, by the time that they start at.",
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

running = line_multi_asset(
    RUNNING,
    came_in="activity_files",
    assets=STEP_ASSETS,
    checks=CONTENT_CHECKS,
    partitions=months(LINE),
)

running_job = dg.define_asset_job(
    "running_line",
    selection=dg.AssetSelection.assets(running),
    description="Carries activities through the steps of the running line, all or some of them.",
)
