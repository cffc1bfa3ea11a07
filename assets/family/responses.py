"""Source: responses, spoken and written, by the day on which they were recorded.

They are added through the command line or the API, never made by Dagster; observing this asset
counts them.
"""

from assets.sources import source_asset
from keepsake.family.response import LINE

COLUMNS = (
    ("record_id", "bigint", "the response"),
    ("owner_id", "bigint", "whose it is"),
    ("member_id", "bigint", "who says it"),
    ("prompt_id", "bigint", "the question it answers, if it was asked one"),
    ("text", "text", "what was written, or"),
    ("audio_key", "text", "the object of what was recorded"),
    ("audio_name", "text", "the name that the file came with"),
)

responses = source_asset("responses", line=LINE, description=__doc__, columns=COLUMNS)
