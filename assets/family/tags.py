"""The values that a response shows, from its family's own vocabulary."""

from assets.checks import ContentCheck
from assets.line_assets import StepAsset
from keepsake.family.steps import tags

TAGS = StepAsset(
    tags.TAGS,
    description=tags.__doc__ or "",
    columns=[
        ("record_id", "bigint", "the response"),
        ("owner_id", "bigint", "whose vocabulary"),
        ("value", "text", "a value of the family's vocabulary"),
        ("source", "text", "`human` or `ai`"),
    ],
    checks=[
        ContentCheck(
            "tags_in_the_vocabulary",
            "Every tag is in its family's vocabulary.",
            tags.tags_in_the_vocabulary,
        ),
    ],
)
