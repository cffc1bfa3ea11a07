"""The bookmarks line as the rest of the library knows it."""

from typing import TYPE_CHECKING

from keepsake.line_module import LineModule

if TYPE_CHECKING:
    from keepsake.pipeline.line import Line


def _line() -> "Line":
    from keepsake.bookmarks.line import BOOKMARKS

    return BOOKMARKS


MODULE = LineModule(
    name="bookmarks",
    records="bookmarks",
    load_line=_line,
    about="""
        SELECT coalesce(bookmarks.title, pages.title), bookmarks.url, pages.site, pages.url
        FROM bookmarks LEFT JOIN pages USING (record_id)
        WHERE bookmarks.record_id = r.id
    """,
    words=(
        ("bookmarks", "coalesce(title, '') || ' ' || translate(url, '/.-_?=&', '       ')"),
        ("pages", "coalesce(title, '') || ' ' || coalesce(site, '')"),
    ),
    text="""
        SELECT coalesce(pages.text, concat_ws(' ', bookmarks.title, bookmarks.content))
        FROM bookmarks LEFT JOIN pages USING (record_id)
        WHERE bookmarks.record_id = r.id
    """,
    embeddings="bookmark_embeddings",
)
