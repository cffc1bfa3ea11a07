"""Passages of the page, embedded, so that a search finds bookmarks beside everything else.

A page without text is found by its title and its description.
"""

from keepsake.bookmarks.bookmark import Bookmark
from keepsake.bookmarks.steps.pages import FetchedPage, about
from keepsake.pipeline.line import Step
from keepsake.steps.passages import Passages, embed_passages, save_passages
from keepsake.steps.tools import Tools


async def embed(bookmark: Bookmark, fetched: FetchedPage, tools: Tools) -> Passages:
    """Cut what the page says into passages and embed each."""
    return await embed_passages(about(bookmark, fetched), tools)


BOOKMARK_EMBEDDINGS = Step(
    name="bookmark_embeddings",
    version="2",
    formerly="bookmark_passages",
    needs=("pages",),
    roles=("embeddings",),
    make=embed,
    save=save_passages,
    nothing=lambda embedded: None if embedded.passages else "the page has no text",
)
