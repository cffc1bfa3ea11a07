"""A summary of the page in two or three sentences."""

from assets.line_assets import StepAsset
from keepsake.bookmarks.steps import summaries

SUMMARIES = StepAsset(
    summaries.SUMMARIES,
    description=summaries.__doc__ or "",
    columns=[
        ("record_id", "bigint", "the bookmark"),
        ("summary", "text", "two or three sentences"),
    ],
)
