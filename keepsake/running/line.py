"""The running line: its steps, in an order that respects their needs."""

from keepsake.pipeline.line import Line
from keepsake.running.activity import LINE, load_activities
from keepsake.running.steps.activities import ACTIVITIES
from keepsake.running.steps.coaching_insights import COACHING_INSIGHTS
from keepsake.running.steps.letters import LETTERS

RUNNING = Line(
    LINE,
    (ACTIVITIES, LETTERS, COACHING_INSIGHTS),
    load_activities,
    platform=lambda activity: activity.format,
)
