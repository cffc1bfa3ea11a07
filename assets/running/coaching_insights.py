"""What a coach says after each activity: about the heart rate, the pacing, and what to do next."""

from assets.checks import ContentCheck
from assets.line_assets import StepAsset
from keepsake.running.steps import coaching_insights

COACHING_INSIGHTS = StepAsset(
    coaching_insights.COACHING_INSIGHTS,
    description=coaching_insights.__doc__ or "",
    columns=[
        ("record_id", "bigint", "the activity"),
        ("heart_rate", "text", "what the heart rate shows, or that there is none"),
        ("pacing", "text", "what the pacing shows"),
        ("recommendation", "text", "one thing to do next"),
    ],
    checks=[
        ContentCheck(
            "insights_grounded",
            "Every number in an insight is one of the activity's facts.",
            coaching_insights.insights_grounded,
        ),
    ],
)
