"""Writing an owner's export: a ZIP archive with rows as JSON lines, pages to read, and the files.

    index.html          where a person begins
    records/12.html     all that was made of a record
    data/stories.jsonl  rows, one a line; `..._key` names a file below `files/`
    files/...           recordings, clips, episodes, pages, media, activities
    manifest.json       what there is, and what each field means

Rows and pages are those of one moment, and are read as the owner: rows of another are not there.
Files are copied afterwards, so that the moment is not held for hours; those that were deleted in
between are counted as missing. Nothing is held in memory but a few rows and a piece of a file.
"""

import errno
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from psycopg import IsolationLevel
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from keepsake.clients.objects import MissingObject, ObjectStore
from keepsake.database import Connection, as_owner, connect
from keepsake.errors import DiskFull
from keepsake.export.tables import exported_tables
from keepsake.line_module import ExportedTable
from keepsake.lines import LINES
from keepsake.owners.owners import Owner, find_owner
from keepsake.search.about import about
from keepsake.show import read_document, render_page
from keepsake.text.moments import day
from keepsake.text.templates import environment

FORMAT = 1
AT_ONCE = 200  # rows that are read together; a transcript with its words is large
# Files that are smaller when they are packed. Sound, pictures and films are packed already.
_PACKED = {".fit", ".gpx", ".htm", ".html", ".json", ".pdf", ".tcx", ".txt", ".vtt", ".wav", ".xml"}

Check = Callable[[], None]


@dataclass(frozen=True)
class Exported:
    """What an export holds: how much of each, and how large its archive is.

    Attributes:
        records: each with a page.
        rows: of all kinds.
        files: copied from the object store.
        missing: files that a row names and that the store does not have.
        size_bytes: of the archive.
    """

    records: int
    rows: int
    files: int
    missing: int
    size_bytes: int


async def export_owner(
    url: str, objects: ObjectStore, owner_id: int, path: Path, *, check: Check = lambda: None
) -> Exported:
    """Write all that an owner has to `path`, in place of what is there; whole or not at all.

    It blocks: give it a thread of its own.

    Args:
        url: of the database.
        objects: the store.
        owner_id: whose export it is.
        path: of the archive.
        check: called between items; what it raises ends the export.

    Raises:
        DiskFull: there is no room for the archive.
        RetryableError: the object store fails.
    """
    with _making(path) as part, ZipFile(part, "w") as opened:
        archive = _Archive(opened, check)
        with _snapshot(url, owner_id) as connection:
            owner = find_owner(connection, str(owner_id))
            kinds = [_add_rows(archive, connection, owner_id, each) for each in exported_tables()]
            records = await _add_pages(archive, connection, objects, owner_id)
            _add_index(archive, connection, owner, kinds)
        missing = [key for key in archive.keys if not await _add_file(archive, objects, key)]
        _add_manifest(archive, owner, kinds, missing)
    return Exported(
        records=records,
        rows=sum(kind["rows"] for kind in kinds),
        files=len(archive.keys) - len(missing),
        missing=len(missing),
        size_bytes=path.stat().st_size,  # noqa: ASYNC240  # it blocks anyway
    )


@contextmanager
def _making(path: Path) -> Iterator[Path]:
    """Make a file that is whole or not there, and say in our words that the disk is full."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("the disk is full: no room for the export") from error
        raise
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _snapshot(url: str, owner_id: int) -> Iterator[Connection]:
    """A connection that reads the rows of one owner as they are at this moment."""
    with connect(url) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with as_owner(connection, owner_id):
            yield connection


class _Archive:
    """An archive that is being written, and the keys of the files that belong into it."""

    def __init__(self, opened: ZipFile, check: Check) -> None:
        self._opened = opened
        self.check = check
        self.keys: dict[str, None] = {}  # in the order in which they were named

    @contextmanager
    def member(self, name: str, *, size: int | None = None, packed: bool = True) -> Iterator[Any]:
        """A file in the archive to write to; `size` is its own, if that is known."""
        info = ZipInfo(name, datetime.now(UTC).timetuple()[:6])
        info.compress_type = ZIP_DEFLATED if packed else ZIP_STORED
        info.external_attr = 0o644 << 16
        info.file_size = size or 0
        with self._opened.open(info, "w", force_zip64=size is None) as member:
            yield member


def _add_rows(
    archive: _Archive, connection: Connection, owner_id: int, table: ExportedTable
) -> dict[str, Any]:
    """Add the rows of a table; what the manifest says of them."""
    name, rows = f"data/{table.kind}.jsonl", 0
    query = SQL(
        "SELECT row_to_json(row)::text, array_remove(ARRAY[{files}]::text[], NULL)"
        " FROM (SELECT {columns} FROM {table} WHERE owner_id = %s ORDER BY {order}) AS row"
    ).format(
        files=SQL(", ").join(map(Identifier, table.files)),
        columns=SQL(", ").join(map(Identifier, table.columns)),
        table=SQL(table.table or table.kind),
        order=SQL(table.order),
    )
    with archive.member(name) as member, connection.cursor(name="export") as cursor:
        cursor.itersize = AT_ONCE
        for row, keys in cursor.execute(query, (owner_id,)):
            member.write(row.encode() + b"\n")
            archive.keys.update(dict.fromkeys(keys))
            rows += 1
            if rows % AT_ONCE == 0:
                archive.check()
    archive.check()
    return {
        "kind": table.kind,
        "file": name,
        "rows": rows,
        "about": table.about,
        "fields": dict(table.columns),
    }


async def _add_pages(
    archive: _Archive, connection: Connection, objects: ObjectStore, owner_id: int
) -> int:
    """Add a page for each record; how many."""
    count = last = 0
    while page := connection.execute(
        "SELECT id FROM records WHERE owner_id = %s AND id > %s ORDER BY id LIMIT %s",
        (owner_id, last, AT_ONCE),
    ).fetchall():
        for (record_id,) in page:
            archive.check()
            document = read_document(connection, objects, owner_id, record_id)
            html = await render_page(document, objects, beside="../files/")
            with archive.member(f"records/{record_id}.html") as member:
                member.write(html.encode())
        count, last = count + len(page), page[-1][0]
    return count


def _add_index(
    archive: _Archive, connection: Connection, owner: Owner, kinds: Sequence[Mapping[str, Any]]
) -> None:
    """Add the page that leads to all others, written as its rows are read."""
    templates = environment(Path(__file__).parent)
    templates.filters.update(day=day)
    query = SQL(
        "SELECT r.id, r.line, r.recorded_at AT TIME ZONE {zone} AS recorded_at,"
        " coalesce(about.title, about.came_as) AS title, about.by FROM records r {about}"
        " WHERE r.owner_id = {owner}"
        " ORDER BY array_position({lines}, r.line), r.line, r.recorded_at DESC, r.id DESC"
    ).format(
        zone=owner.time_zone,
        about=about(),
        owner=owner.id,
        lines=[module.name for module in LINES],
    )
    with (
        archive.member("index.html") as member,
        connection.cursor(name="export", row_factory=dict_row) as cursor,
    ):
        cursor.itersize = AT_ONCE
        pieces = templates.get_template("index.html.j2").generate(
            owner=owner,
            made=datetime.now(owner.zone),
            records=cursor.execute(query),
            names={module.name: module.section or module.records.capitalize() for module in LINES},
            kinds=kinds,
        )
        for piece in pieces:
            member.write(piece.encode())


async def _add_file(archive: _Archive, objects: ObjectStore, key: str) -> bool:
    """Add an object. False: there is none."""
    archive.check()
    try:
        stored = await objects.stat(key)
        async with objects.open_range(key, stored) as pieces:
            packed = PurePosixPath(key).suffix.lower() in _PACKED
            with archive.member(f"files/{key}", size=stored.size, packed=packed) as member:
                async for piece in pieces:
                    member.write(piece)
    except MissingObject:
        return False
    return True


def _add_manifest(
    archive: _Archive, owner: Owner, kinds: Sequence[Mapping[str, Any]], missing: Sequence[str]
) -> None:
    manifest = {
        "format": "keepsake export",
        "version": FORMAT,
        "made_at": datetime.now(UTC).isoformat(),
        "owner": owner.slug,
        "kinds": kinds,
        "missing": missing,
    }
    with archive.member("manifest.json") as member:
        member.write(json.dumps(manifest, ensure_ascii=False, indent=2).encode())
