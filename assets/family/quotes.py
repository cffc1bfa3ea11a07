"""Quotes worth keeping, word for word, with the time they are said and the speaker's own voice."""

from assets.checks import ContentCheck
from assets.line_assets import StepAsset
from keepsake.family.steps import quotes

QUOTES = StepAsset(
    quotes.QUOTES,
    description=quotes.__doc__ or "",
    objects=True,
    columns=[
        ("record_id", "bigint", "the response"),
        ("position", "integer", "the best first, from 0"),
        ("text", "text", "as the transcript has it"),
        ("starts_at", "real", "when it is said, in seconds into the recording"),
        ("ends_at", "real", "in seconds"),
        ("clip_key", "text", "the object with the speaker's own voice"),
    ],
    checks=[
        ContentCheck(
            "quotes_verbatim",
            "Every quote is in its transcript, word for word.",
            quotes.quotes_verbatim,
        ),
    ],
)
