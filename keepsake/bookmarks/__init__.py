"""The bookmarks line's own tables: what people save, how it comes in, and how it is read back.

What is made of a bookmark stands with the step that makes it, in `assets/bookmarks/`.
"""

from keepsake.bookmarks.bookmark import (
    LINE,
    Bookmark,
    NewBookmark,
    add_bookmark,
    load_bookmarks,
    retitle,
)

__all__ = [
    "LINE",
    "Bookmark",
    "NewBookmark",
    "add_bookmark",
    "load_bookmarks",
    "retitle",
]
