"""The bookmarks line in Dagster: its steps as one multi-asset, over its partitions."""

import dagster as dg

from assets.bookmarks.bookmark_embeddings import BOOKMARK_EMBEDDINGS
from assets.bookmarks.keywords import KEYWORDS
from assets.bookmarks.media import MEDIA
from assets.bookmarks.pages import PAGES
from assets.bookmarks.summaries import SUMMARIES
from assets.line_assets import line_multi_asset
from assets.partitions import days
from keepsake.bookmarks.bookmark import LINE
from keepsake.bookmarks.line import BOOKMARKS

bookmarks_line = line_multi_asset(
    BOOKMARKS,
    came_in="bookmarks",
    assets=(PAGES, SUMMARIES, KEYWORDS, BOOKMARK_EMBEDDINGS, MEDIA),
    partitions=days(LINE),
)

bookmarks_job = dg.define_asset_job(
    "bookmarks_line",
    selection=dg.AssetSelection.assets(bookmarks_line),
    description="Carries bookmarks through the steps of the bookmarks line, all or some of them.",
)
