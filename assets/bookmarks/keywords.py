"""A few keywords of the page, from its owner's own tags where they fit."""

from assets.checks import ContentCheck
from assets.line_assets import StepAsset
from keepsake.bookmarks.steps import keywords

KEYWORDS = StepAsset(
    keywords.KEYWORDS,
    description=keywords.__doc__ or "",
    columns=[
        ("record_id", "bigint", "the bookmark"),
        ("owner_id", "bigint", "whose tag it is"),
        ("keyword", "text", "the tag"),
        ("source", "text", "`human` or `ai`"),
        ("created_at", "timestamptz", "when it was set"),
    ],
    checks=[
        ContentCheck(
            "few_keywords",
            "Every bookmark has at most six keywords of a model, none of them twice.",
            keywords.few_keywords,
        ),
    ],
)
