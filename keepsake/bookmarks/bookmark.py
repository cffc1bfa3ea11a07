"""Bookmarks as they are handed in and as steps read them.

Adding is checked here, at the border. Files full of bookmarks are read in `imports.py`; they come
in by the same way, many at a time.
"""

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from psycopg.rows import class_row

from keepsake.bookmarks.addresses import check_address, same_page
from keepsake.bookmarks.services import platform_of
from keepsake.database import AsyncConnection, Connection, Pool, owner_transaction
from keepsake.errors import InvalidInput
from keepsake.pipeline.fingerprint import fingerprint
from keepsake.pipeline.ledger.repair import redo_async
from keepsake.records import adding as records
from keepsake.records.adding import Added, Also, NewRecord
from keepsake.settings import Settings
from keepsake.text.names import clean_name, printable

LINE = "bookmarks"
LONGEST_TITLE = 500  # characters
LONGEST_TAG = 60


@dataclass(frozen=True)
class Bookmark:
    """What somebody saved: the source that every step of the line is made from.

    Attributes:
        url: as it was given; it may be none that can be fetched, and is empty for a mere text.
        platform: youtube, tiktok, ... as the sender names it.
        title: the sender's own.
        content: text that came with it.
        folder: where it was filed in the program it was imported from.
        fetched: whether its page was made before, from a stored response.
    """

    record_id: int
    owner_id: int
    owner: str
    url: str
    platform: str | None
    title: str | None
    content: str | None
    folder: str | None
    recorded_at: datetime
    content_hash: str
    fetched: bool


@dataclass(frozen=True)
class NewBookmark:
    """A bookmark as it is handed in. Without `recorded_at` it was saved now."""

    url: str
    platform: str | None = None
    title: str | None = None
    content: str | None = None
    tags: Sequence[str] = ()
    folder: str | None = None
    recorded_at: datetime | None = None
    priority: str = "normal"
    external_id: str | None = None


async def add_bookmark(
    pool: Pool,
    settings: Settings,
    owner_id: int,
    new: NewBookmark,
    *,
    also: Also = records.nothing_more,
) -> Added:
    """Check a bookmark and store its rows; the sensor takes it from there.

    The same page saved twice is one bookmark, with the tags of both times, and with title and text
    of the second time where the first had none.

    Raises:
        InvalidInput: anything about it is no good. Nothing was stored.
    """
    checked = replace(
        new,
        url=check_address(new.url),
        platform=_platform(new.platform),
        title=clean_title(new.title),
        content=None if new.content is None else records.check_text(new.content, settings),
        tags=[clean_tag(tag) for tag in new.tags],
        recorded_at=records.check_recorded_at(
            new.recorded_at or datetime.now(UTC), settings.first_day
        ),
        external_id=records.check_external_id(new.external_id),
    )
    records.check_priority(new.priority)
    async with owner_transaction(pool, owner_id) as connection:
        (added,) = await store(connection, settings, owner_id, [checked])
        await also(connection, added)
    return added


async def store(
    connection: AsyncConnection,
    settings: Settings,
    owner_id: int,
    bookmarks: Sequence[NewBookmark],
    *,
    batch_id: int | None = None,
) -> list[Added]:
    """Store checked bookmarks, each with its `recorded_at`; call it inside a transaction."""
    added = await records.add_records(
        connection,
        settings,
        line=LINE,
        owner_id=owner_id,
        rows=[_record(new) for new in bookmarks],
        batch_id=batch_id,
    )
    rows = list(zip(added, bookmarks, strict=True))
    created = [
        (record.record_id, new.url, new.platform, new.title, new.content, new.folder)
        for record, new in rows
        if record.created
    ]
    if created:  # by INSERT, since COPY is not possible under policies
        await connection.execute(
            "INSERT INTO bookmarks (owner_id, record_id, url, platform, title, content, folder)"
            " SELECT %s, * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[],"
            " %s::text[], %s::text[])",
            (owner_id, *(list(column) for column in zip(*created, strict=True))),
        )
    again = [(record.record_id, new) for record, new in rows if not record.created]
    await _add_what_lacks(connection, owner_id, again)
    tagged = [(record, new) for record, new in rows if new.tags]
    if tagged:
        await _store_tags(connection, owner_id, tagged, by_hand=batch_id is None)
    return added


async def _store_tags(
    connection: AsyncConnection,
    owner_id: int,
    rows: Sequence[tuple[Added, NewBookmark]],
    *,
    by_hand: bool,
) -> None:
    """Tag bookmarks as they came. By hand, a tag that was taken off is back; not by an import."""
    tags = [
        {"record": record.record_id, "owner": owner_id, "tag": tag}
        for record, new in rows
        for tag in new.tags
    ]
    if by_hand:
        await connection.cursor().executemany(
            "DELETE FROM removed_tags WHERE record_id = %(record)s AND lower(tag) = lower(%(tag)s)",
            tags,
        )
    # A model's keyword gives way to the same word in its owner's spelling.
    await connection.cursor().executemany(
        "DELETE FROM keywords"
        " WHERE record_id = %(record)s AND source = 'ai' AND lower(keyword) = lower(%(tag)s)",
        tags,
    )
    await connection.cursor().executemany(
        "INSERT INTO keywords (record_id, owner_id, keyword, source)"
        " SELECT %(record)s, %(owner)s, %(tag)s, 'human' WHERE NOT EXISTS (SELECT FROM removed_tags"
        " WHERE record_id = %(record)s AND lower(tag) = lower(%(tag)s))"
        " ON CONFLICT (record_id, keyword) DO UPDATE SET source = 'human'"
        " WHERE keywords.source <> 'human'",  # an import again writes nothing
        tags,
    )


async def _add_what_lacks(
    connection: AsyncConnection, owner_id: int, again: Sequence[tuple[int, NewBookmark]]
) -> None:
    """Give known bookmarks the title and the text that they came without; their pages are due."""
    said = {record_id: (new.title, new.content) for record_id, new in again}
    given = [(record_id, *row) for record_id, row in said.items() if any(row)]
    if not given:
        return
    cursor = await connection.execute(
        """
        UPDATE bookmarks b
        SET title = coalesce(b.title, given.title), content = coalesce(b.content, given.content)
        FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS given(record_id, title, content)
        WHERE b.record_id = given.record_id AND b.owner_id = %s
          AND (b.title IS NULL AND given.title IS NOT NULL
               OR b.content IS NULL AND given.content IS NOT NULL)
        RETURNING b.record_id, b.url, b.platform, b.title, b.content
        """,
        [*(list(column) for column in zip(*given, strict=True)), owner_id],
    )
    for record_id, *source in await cursor.fetchall():
        await connection.execute(
            "UPDATE records SET content_hash = %s WHERE id = %s AND owner_id = %s",
            (fingerprint(*source), record_id, owner_id),
        )
        await redo_async(connection, owner_id, record_id, "pages")


def tag(connection: Connection, owner_id: int, record_id: int, tag: str) -> None:
    """Tag a bookmark by hand. No model ever takes the tag away.

    Raises:
        InvalidInput: the tag is no good.
    """
    tag = clean_tag(tag)
    with connection.transaction():
        for statement in (
            "DELETE FROM removed_tags WHERE record_id = %(record)s AND owner_id = %(owner)s"
            " AND lower(tag) = lower(%(tag)s)",
            "DELETE FROM keywords WHERE record_id = %(record)s AND owner_id = %(owner)s"
            " AND lower(keyword) = lower(%(tag)s)",
            "INSERT INTO keywords (record_id, owner_id, keyword, source)"
            " VALUES (%(record)s, %(owner)s, %(tag)s, 'human')",
        ):
            connection.execute(statement, {"record": record_id, "owner": owner_id, "tag": tag})


def retitle(connection: Connection, owner_id: int, record_id: int, title: str | None) -> str:
    """Give a bookmark another title. Returns the content hash that its record has then."""
    row = connection.execute(
        "UPDATE bookmarks SET title = %s WHERE record_id = %s AND owner_id = %s"
        " RETURNING url, platform, title, content",
        (title, record_id, owner_id),
    ).fetchone()
    assert row is not None  # noqa: S101  # the record is there, and locked
    return fingerprint(*row)


def _record(new: NewBookmark) -> NewRecord:
    assert new.recorded_at is not None  # noqa: S101  # checked bookmarks have one
    # A mere text has no address to know it by.
    return NewRecord(
        external_id=new.external_id or same_page(new.url or f"text:{new.content}"),
        recorded_at=new.recorded_at,
        content_hash=fingerprint(new.url, new.platform, new.title, new.content),
        priority=records.check_priority(new.priority),
        platform=platform_of(new.url, new.platform),
    )


def clean_tag(tag: str) -> str:
    """A tag as a bookmark has it: in the owner's own spelling, without needless space.

    Raises:
        InvalidInput: it is empty or longer than 60 characters.
    """
    cleaned = unicodedata.normalize("NFC", clean_name(tag).lstrip("#"))
    if not cleaned:
        raise InvalidInput("the tag is empty")
    if len(cleaned) > LONGEST_TAG:
        raise InvalidInput(f"a tag has at most {LONGEST_TAG} characters, this one {len(cleaned)}")
    return cleaned


def _platform(name: str | None) -> str | None:
    if name is None:
        return None
    cleaned = clean_name(name).lower()
    if len(cleaned) > 40:
        raise InvalidInput(f"the platform has {len(cleaned)} characters; at most 40 are accepted")
    return cleaned


def clean_title(text: str | None) -> str | None:
    """A title on one line, without control characters, cut to 500 characters; None if empty."""
    if text is None:
        return None
    plain = " ".join(printable(text, instead=" ").split())
    return unicodedata.normalize("NFC", plain)[:LONGEST_TITLE] or None


async def load_bookmarks(connection: AsyncConnection, ids: Collection[int]) -> dict[int, Bookmark]:
    """The sources of some records."""
    async with connection.cursor(row_factory=class_row(Bookmark)) as cursor:
        await cursor.execute(
            """
            SELECT b.record_id, r.owner_id, o.name AS owner, b.url, b.platform, b.title, b.content,
                   b.folder, r.recorded_at, r.content_hash, p.body_key IS NOT NULL AS fetched
            FROM bookmarks b
            JOIN records r ON r.id = b.record_id
            JOIN owners o ON o.id = r.owner_id
            LEFT JOIN pages p ON p.record_id = b.record_id
            WHERE b.record_id = ANY(%s)
            """,
            (list(ids),),
        )
        return {bookmark.record_id: bookmark async for bookmark in cursor}
