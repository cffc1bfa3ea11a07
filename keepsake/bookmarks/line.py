"""The bookmarks line: its steps, in an order that respects their needs."""

from keepsake.bookmarks.bookmark import LINE, load_bookmarks
from keepsake.bookmarks.services import platform_of
from keepsake.bookmarks.steps.bookmark_embeddings import BOOKMARK_EMBEDDINGS
from keepsake.bookmarks.steps.keywords import KEYWORDS
from keepsake.bookmarks.steps.media import MEDIA
from keepsake.bookmarks.steps.pages import PAGES
from keepsake.bookmarks.steps.summaries import SUMMARIES
from keepsake.pipeline.line import Line

BOOKMARKS = Line(
    LINE,
    (PAGES, SUMMARIES, KEYWORDS, BOOKMARK_EMBEDDINGS, MEDIA),
    load_bookmarks,
    platform=lambda bookmark: platform_of(bookmark.url, bookmark.platform),
)
