"""The family line put together: its steps in order, its checks, its partitions, its asset."""

import dagster as dg

from assets.family.passages import PASSAGES
from assets.family.podcasts import PODCASTS, episodes_audible
from assets.family.quotes import QUOTES, quotes_verbatim
from assets.family.stories import STORIES
from assets.family.transcripts import TRANSCRIPTS
from assets.family.value_tags import VALUE_TAGS, tags_in_the_vocabulary
from assets.family.wisdom import WISDOM
from assets.line_assets import ContentCheck, line_multi_asset
from assets.partitions import days
from keepsake.family import LINE, load_responses
from keepsake.pipeline.line import Line
from keepsake.steps.passages import vectors_of_the_declared_size

STEP_ASSETS = (TRANSCRIPTS, PASSAGES, VALUE_TAGS, WISDOM, STORIES, QUOTES, PODCASTS)

FAMILY = Line(LINE, tuple(asset.step for asset in STEP_ASSETS), load_responses)

CONTENT_CHECKS = (
    ContentCheck(
        "passages",
        "vectors_of_the_declared_size",
        "Every vector has the length its row declares.",
        vectors_of_the_declared_size,
    ),
    ContentCheck(
        "value_tags",
        "tags_in_the_vocabulary",
        "Every tag stands in its family's vocabulary.",
        tags_in_the_vocabulary,
    ),
    ContentCheck(
        "quotes",
        "quotes_verbatim",
        "Every quote stands in its transcript, word for word.",
        quotes_verbatim,
    ),
    ContentCheck(
        "podcasts",
        "episodes_audible",
        "Every episode has sound, at the loudness that podcast platforms ask for.",
        episodes_audible,
    ),
)

family = line_multi_asset(
    FAMILY, came_in="responses", assets=STEP_ASSETS, checks=CONTENT_CHECKS, partitions=days(LINE)
)

family_job = dg.define_asset_job(
    "family_line",
    selection=dg.AssetSelection.assets(family),
    description="Carries responses through the steps of the family line, all or some of them.",
)
