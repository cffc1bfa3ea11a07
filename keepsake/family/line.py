"""The family line: its steps, in an order that respects their needs."""

from keepsake.family.response import LINE, load_responses, platform_of
from keepsake.family.steps.embeddings import EMBEDDINGS
from keepsake.family.steps.podcasts import PODCASTS
from keepsake.family.steps.quotes import QUOTES
from keepsake.family.steps.stories import STORIES
from keepsake.family.steps.tags import TAGS
from keepsake.family.steps.transcripts import TRANSCRIPTS
from keepsake.family.steps.wisdom import WISDOM
from keepsake.pipeline.line import Line

FAMILY = Line(
    LINE,
    (TRANSCRIPTS, EMBEDDINGS, TAGS, WISDOM, STORIES, QUOTES, PODCASTS),
    load_responses,
    platform=lambda response: platform_of(response.audio_key),
)
