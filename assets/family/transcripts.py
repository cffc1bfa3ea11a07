"""What was said, with the time of each word."""

from assets.line_assets import StepAsset
from keepsake.family.steps import transcripts

TRANSCRIPTS = StepAsset(
    transcripts.TRANSCRIPTS,
    description=transcripts.__doc__ or "",
    columns=[
        ("record_id", "bigint", "the response"),
        ("text", "text", "what was said, or written"),
        (
            "language",
            "text",
            "ISO 639-1 code: as detected, else as the family's; of a written text as it was"
            " found, empty where that is not clear",
        ),
        ("duration", "real", "seconds; empty for a written response"),
        ("segments", "jsonb", "[text, start, end] in seconds"),
        ("words", "jsonb", "[text, start, end] in seconds; empty if the model gives no word times"),
        ("issues", "jsonb", "what not to trust, and what was left out"),
        ("raw", "jsonb", "the provider's answers as they came"),
    ],
)
