"""A story made from a response: a title, a summary in one line, and the cleaned text."""

from assets.line_assets import StepAsset
from keepsake.family.steps import stories

STORIES = StepAsset(
    stories.STORIES,
    description=stories.__doc__ or "",
    columns=[
        ("record_id", "bigint", "the response"),
        ("title", "text", "two to seven words, or how the words begin"),
        ("summary", "text", "one sentence"),
        ("text", "text", "the speaker's words, cleaned, in paragraphs"),
    ],
)
