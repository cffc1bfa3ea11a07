"""A short poetic letter to the runner about each activity, in plain text."""

from assets.checks import ContentCheck
from assets.line_assets import StepAsset
from keepsake.running.steps import letters

LETTERS = StepAsset(
    letters.LETTERS,
    description=letters.__doc__ or "",
    columns=[
        ("record_id", "bigint", "the activity"),
        ("letter", "text", "plain text, a blank line between paragraphs"),
    ],
    checks=[
        ContentCheck(
            "letters_plain",
            "Every letter is plain text: no Markdown, no links.",
            letters.letters_plain,
        ),
        ContentCheck(
            "letters_grounded",
            "Every number in a letter is one of the activity's facts.",
            letters.letters_grounded,
        ),
    ],
)
