"""What was made of a bookmark, read together as people see it.

For the command line and the demo. The tables' rows are the steps' (`keepsake/bookmarks/steps/`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import class_row, dict_row

from keepsake.bookmarks.steps.media import MediaFile
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.steps.rows import read_rows


@dataclass(frozen=True)
class Keyword:
    """A tag, and whether the owner set it (`human`) or a model (`ai`)."""

    keyword: str
    source: str


@dataclass(frozen=True)
class BookmarkView:
    """Everything that was made of a bookmark; what is not made yet, or failed, is missing.

    Attributes:
        url: as it was saved.
        title: its owner's, or else the page's own.
        author: as the page names it.
        published_on: the day that the page names.
        saved_at: when it was saved.
        language: of the page, as a code.
        note: why there is no more of the page.
        body_key: the object that the response is.
        text: what is readable of the page.
    """

    record_id: int
    owner: str
    status: str
    url: str
    title: str | None
    site: str | None
    author: str | None
    published_on: date | None
    saved_at: datetime
    folder: str | None
    language: str | None
    words: int | None
    note: str | None
    body_key: str | None
    text: str | None
    summary: str | None
    keywords: tuple[Keyword, ...]
    media: tuple[MediaFile, ...]

    def objects(self) -> Iterator[tuple[str, str]]:
        """The page's response and the media."""
        if self.body_key:
            yield "page", self.body_key
        for medium in self.media:
            yield medium.kind, medium.object_key


def read_bookmark(connection: Connection, owner_id: int, record_id: int) -> BookmarkView:
    """What was made of a bookmark of an owner.

    Raises:
        InvalidInput: there is no such bookmark.
    """
    with connection.cursor(row_factory=dict_row) as heads:
        head = heads.execute(
            """
            SELECT b.record_id, o.name AS owner, coalesce(s.status, 'PENDING') AS status, b.url,
                   coalesce(b.title, p.title) AS title, p.site, p.author, p.published_on,
                   r.recorded_at AS saved_at, b.folder, p.language, p.words, p.note, p.body_key,
                   p.text, summaries.summary
            FROM bookmarks b
            JOIN records r ON r.id = b.record_id
            JOIN owners o ON o.id = b.owner_id
            LEFT JOIN record_status s USING (record_id)
            LEFT JOIN pages p USING (record_id)
            LEFT JOIN summaries USING (record_id)
            WHERE b.record_id = %s AND b.owner_id = %s
            """,
            (record_id, owner_id),
        ).fetchone()
    if head is None:
        raise InvalidInput(f"there is no bookmark {record_id}: see `keepsake records`")
    with connection.cursor(row_factory=class_row(Keyword)) as keywords:
        keywords.execute(
            "SELECT keyword, source FROM keywords"
            " WHERE record_id = %s AND owner_id = %s ORDER BY source DESC, keyword",
            (record_id, owner_id),
        )
        return BookmarkView(
            **head,
            keywords=tuple(keywords),
            media=read_rows(connection, "media", MediaFile, owner_id, record_id, order="position"),
        )
