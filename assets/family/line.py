"""The family line in Dagster: its steps as one multi-asset, over its partitions."""

import dagster as dg

from assets.family.embeddings import EMBEDDINGS
from assets.family.podcasts import PODCASTS
from assets.family.quotes import QUOTES
from assets.family.stories import STORIES
from assets.family.tags import TAGS
from assets.family.transcripts import TRANSCRIPTS
from assets.family.wisdom import WISDOM
from assets.line_assets import assets_of, line_multi_asset
from assets.partitions import Calendar
from keepsake.family.line import FAMILY
from keepsake.family.response import LINE
from keepsake.settings import Settings


def family_line(settings: Settings, calendar: Calendar) -> dg.AssetsDefinition:
    """The steps of the family line, by day."""
    return line_multi_asset(
        FAMILY,
        source="responses",
        assets=(TRANSCRIPTS, EMBEDDINGS, TAGS, WISDOM, STORIES, QUOTES, PODCASTS),
        partitions=calendar.days(LINE),
        settings=settings,
    )


family_job = dg.define_asset_job(
    "family_line",
    selection=assets_of(FAMILY),
    description="Carries responses through the steps of the family line, all or some of them.",
)
