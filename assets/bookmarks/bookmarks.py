"""Source: bookmarks, saved one by one or imported, by the day on which they were saved.

They are added through the command line, never made by Dagster; observing this asset counts
them.
"""

from assets.sources import source_asset
from keepsake.bookmarks.bookmark import LINE

COLUMNS = (
    ("record_id", "bigint", "the bookmark"),
    ("url", "text", "the address as it was given"),
    ("platform", "text", "youtube, tiktok, ... as the sender names it"),
    ("title", "text", "the sender's own title"),
    ("content", "text", "text that came with it"),
    ("folder", "text", "where it was filed in the program it was imported from"),
)

bookmarks = source_asset("bookmarks", line=LINE, description=__doc__, columns=COLUMNS)
