"""The bookmarks line in Dagster: its steps as one multi-asset, over its partitions."""

import dagster as dg

from assets.bookmarks.bookmark_embeddings import BOOKMARK_EMBEDDINGS
from assets.bookmarks.keywords import KEYWORDS
from assets.bookmarks.media import MEDIA
from assets.bookmarks.pages import PAGES
from assets.bookmarks.summaries import SUMMARIES
from assets.line_assets import assets_of, line_multi_asset
from assets.partitions import Calendar
from keepsake.bookmarks.bookmark import LINE
from keepsake.bookmarks.line import BOOKMARKS
from keepsake.settings import Settings


def bookmarks_line(settings: Settings, calendar: Calendar) -> dg.AssetsDefinition:
    """The steps of the bookmarks line, by day."""
    return line_multi_asset(
        BOOKMARKS,
        source="bookmarks",
        assets=(PAGES, SUMMARIES, KEYWORDS, BOOKMARK_EMBEDDINGS, MEDIA),
        partitions=calendar.days(LINE),
        settings=settings,
    )


bookmarks_job = dg.define_asset_job(
    "bookmarks_line",
    selection=assets_of(BOOKMARKS),
    description="Carries bookmarks through the steps of the bookmarks line, all or some of them.",
)
