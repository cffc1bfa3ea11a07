"""The bookmarks line put together: its steps in order, its checks, its partitions, its asset."""

import dagster as dg

from assets.bookmarks.keywords import KEYWORDS, few_keywords
from assets.bookmarks.media import MEDIA, media_whole
from assets.bookmarks.pages import PAGES
from assets.bookmarks.passages import BOOKMARK_PASSAGES
from assets.bookmarks.summaries import SUMMARIES
from assets.line_assets import ContentCheck, line_multi_asset
from assets.partitions import days
from keepsake.bookmarks import LINE, load_bookmarks
from keepsake.pipeline.line import Line
from keepsake.steps.passages import vectors_of_the_declared_size

STEP_ASSETS = (PAGES, SUMMARIES, KEYWORDS, BOOKMARK_PASSAGES, MEDIA)

BOOKMARKS = Line(LINE, tuple(asset.step for asset in STEP_ASSETS), load_bookmarks)

CONTENT_CHECKS = (
    ContentCheck(
        "keywords",
        "few_keywords",
        "Every bookmark has at most six keywords of a model, none of them twice.",
        few_keywords,
    ),
    ContentCheck(
        "bookmark_passages",
        "vectors_of_the_declared_size",
        "Every vector has the length its row declares.",
        vectors_of_the_declared_size,
    ),
    ContentCheck(
        "media",
        "media_whole",
        "Every file has a size and a checksum.",
        media_whole,
    ),
)

bookmarks_line = line_multi_asset(
    BOOKMARKS, came_in="bookmarks", assets=STEP_ASSETS, checks=CONTENT_CHECKS, partitions=days(LINE)
)

bookmarks_job = dg.define_asset_job(
    "bookmarks_line",
    selection=dg.AssetSelection.assets(bookmarks_line),
    description="Carries bookmarks through the steps of the bookmarks line, all or some of them.",
)
