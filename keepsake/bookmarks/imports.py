"""Files full of bookmarks, as browsers and other programs export them, taken in.

The format is told by the content, not by the name. What a file holds comes in by the hundreds, each
hundred in one transaction: an import that breaks off is run again, and recognises what is there.
Nothing is lost on the way: an address that cannot be fetched (`javascript:`, `file:`) is a bookmark
too, whose page then says why it has none. What cannot be stored at all is counted and listed.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from keepsake import records
from keepsake.batches import finish_batch, start_batch
from keepsake.bookmarks.records import LINE, NewBookmark, clean_tag, clean_title, store
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.owners import Owner
from keepsake.settings import Settings

AT_ONCE = 500
LARGEST = 256 * 1024 * 1024  # bytes of a file
LONGEST_ADDRESS = 65_536  # characters; some bookmarks are little programs
MOST_PROBLEMS = 100  # that are listed; all are counted
PIECE = 64 * 1024  # bytes of HTML read at a time

csv.field_size_limit(4 * 1024 * 1024)


def _windows(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are no UTF-8: old programs write Windows-1252, new ones cut a letter in two."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101  # nothing is encoded
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("windows", _windows)


@dataclass(frozen=True)
class Entry:
    """One bookmark as it stands in a file. `where` names its line or its number there."""

    where: str
    url: str
    title: str | None = None
    content: str | None = None
    tags: tuple[str, ...] = ()
    folder: str | None = None
    saved: str | int | float | None = None  # as it is written


@dataclass(frozen=True)
class Problem:
    """A bookmark that could not be stored: where it stands in the file, and why."""

    where: str
    why: str


@dataclass(frozen=True)
class Intake:
    """What became of a file."""

    batch_id: int
    added: int
    known: int
    refused: int
    problems: tuple[Problem, ...]


def import_bookmarks(
    connection: Connection,
    settings: Settings,
    owner: Owner,
    path: Path,
    *,
    on_progress: Callable[[int, float], None] = lambda read, share: None,
) -> Intake:
    """Take in every bookmark of a file; `on_progress` hears how many, and the share of the file.

    They get a low priority, so that a flood never holds back what is saved meanwhile.

    Raises:
        InvalidInput: it is too large, or none of the formats that are known. Nothing was stored.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise InvalidInput(
            f"{path.name} has {size / 1e6:,.0f} MB; at most {LARGEST / 1e6:,.0f} are accepted"
        )
    with path.open("rb") as file:
        entries = _entries(file, path.name)
        batch_id = start_batch(connection, owner.id, LINE, path.name)
        intake = Intake(batch_id, 0, 0, 0, ())
        while some := list(islice(entries, AT_ONCE)):
            intake = _take_in(connection, settings, owner, some, intake)
            read = intake.added + intake.known + intake.refused
            on_progress(read, 1.0 if file.closed else file.tell() / size)
    finish_batch(
        connection, batch_id, added=intake.added, known=intake.known, refused=intake.refused
    )
    return intake


def _take_in(
    connection: Connection, settings: Settings, owner: Owner, some: list[Entry], intake: Intake
) -> Intake:
    good: list[NewBookmark] = []
    problems: list[Problem] = []
    now = datetime.now(UTC)
    for entry in some:
        try:
            good.append(_checked(entry, settings, now))
        except InvalidInput as error:
            problems.append(Problem(entry.where, str(error)))
    with connection.transaction():
        added = store(connection, settings, owner, good, batch_id=intake.batch_id)
    new = sum(record.new for record in added)
    return replace(
        intake,
        added=intake.added + new,
        known=intake.known + len(added) - new,
        refused=intake.refused + len(problems),
        problems=(*intake.problems, *problems)[:MOST_PROBLEMS],
    )


def _checked(entry: Entry, settings: Settings, now: datetime) -> NewBookmark:
    """The bookmark, fit to be stored.

    Raises:
        InvalidInput: it has neither address nor text, or one that cannot be stored.
    """
    address = "".join(c for c in entry.url.strip() if c.isprintable())
    content = _content(entry.content, settings)
    if not address and not content:
        raise InvalidInput("it has neither an address nor a text")
    if len(address) > LONGEST_ADDRESS:
        raise InvalidInput(f"its address has {len(address):,} characters")
    return NewBookmark(
        url=address.encode("utf-8", "replace").decode(),
        title=clean_title(entry.title),
        content=content,
        tags=tuple(_tags(entry.tags)),
        folder=clean_title(entry.folder),
        recorded_at=_moment(entry.saved, settings, now),
        priority="low",
    )


def _content(text: str | None, settings: Settings) -> str | None:
    """The text that came along, as far as there is room. A note of mere ornaments is none."""
    plain = (text or "").replace("\x00", "").encode("utf-8", "replace").decode()
    plain = plain[: settings.max_text_chars]
    return records.check_text(plain, settings) if any(c.isalnum() for c in plain) else None


def _tags(tags: Iterable[str]) -> Iterator[str]:
    """The tags that are any; a program's idea of a tag is no reason to refuse a bookmark."""
    for tag in dict.fromkeys(tags):
        try:
            yield clean_tag(tag)
        except InvalidInput:
            continue


def _moment(saved: str | float | None, settings: Settings, now: datetime) -> datetime:
    """When it was saved. A time that is none, or outside the partitions, becomes now."""
    try:
        return records.check_recorded_at(_read_moment(saved), settings.first_day)
    except (InvalidInput, ValueError, OverflowError):
        return now


def _read_moment(saved: str | float | None) -> datetime:
    text = str(saved or "").strip()
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    number = float(text)
    if number == 0:
        raise ValueError("no time")
    if number >= 1e16:  # microseconds since 1601, as Chrome counts
        return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)
    unit = 1e6 if number >= 1e14 else 1e3 if number >= 1e11 else 1  # of a second
    return datetime.fromtimestamp(number / unit, UTC)


# -- the formats ----------------------------------------------------------------------------------


def _entries(file: BinaryIO, name: str) -> Iterator[Entry]:
    """The bookmarks of a file, whatever its format.

    Raises:
        InvalidInput: the format is not known.
    """
    start = file.read(PIECE)
    file.seek(0)
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if wide else "utf-8-sig"
    head = start.decode(encoding, "windows").lstrip()
    opened = partial(io.TextIOWrapper, file, encoding=encoding, errors="windows")
    if head.startswith(("{", "[")):
        document = _json(opened(), name)
        if isinstance(document, list) or document.keys() & {"bookmarks", "collections"}:
            return _of_json(document)
    elif re.search(r"<!doctype netscape|<dl\b|<a\s", head, re.IGNORECASE):
        return _of_html(opened())
    else:
        for delimiter in ",;\t":
            if "url" in _columns(next(csv.reader(head.splitlines(), delimiter=delimiter), [])):
                return _of_csv(opened(newline=""), delimiter)
    raise InvalidInput(
        f"{name} is no file of bookmarks that is known: export them from a browser (HTML), Pocket "
        "(CSV), Karakeep or Linkwarden (JSON), or write a CSV with a column named url"
    )


class _Netscape(HTMLParser):
    """Bookmarks as browsers export them: nested lists of links below headings.

    Read leniently, since nobody writes it well: a heading names the list that follows it, a text
    after `<DD>` belongs to the link before it.
    """

    def set_cdata_mode(self, *args: Any, **options: Any) -> None:
        """Not here: what follows a title that says `<script>` or `<title>` is no script of it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Entry] = []
        self._folders: list[str] = []
        self._heading: str | None = None
        self._link: Entry | None = None
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A link, a heading, a list or a note begins; whatever was open ends."""
        if tag == "a":
            self.end()
            self._link = self._of_attributes({name: value or "" for name, value in attrs})
        elif tag in ("h1", "h3", "dl", "dt"):
            self.end()
        if tag == "dl":
            self._folders.append(self._heading or "")
            self._heading = None
        if tag in ("h3", "dd", "a"):
            self._text = []

    def handle_endtag(self, tag: str) -> None:
        """A title or a heading is complete, or a list ends."""
        if tag == "a" and self._link and self._link.title is None:
            self._link = replace(self._link, title=self._said())
        elif tag == "h3":
            self._heading = self._said()
        elif tag == "dl":
            self.end()
            del self._folders[-1:]

    def handle_data(self, data: str) -> None:
        """Text of whatever is open."""
        self._text.append(data)

    def end(self) -> None:
        """Put away the link that is open, with the note that followed it."""
        if self._link is None:
            return
        said = self._said()
        if self._link.title is None:  # the link itself was never closed
            self._link = replace(self._link, title=said)
        elif said:
            self._link = replace(self._link, content=said)
        self.found.append(self._link)
        self._link = None

    def _of_attributes(self, attributes: Mapping[str, str]) -> Entry:
        return Entry(
            where=f"line {self.getpos()[0]}",
            url=attributes.get("href", ""),
            tags=_split(attributes.get("tags", "")),
            folder=" / ".join(filter(None, self._folders)) or None,
            saved=attributes.get("add_date") or attributes.get("time_added"),
        )

    def _said(self) -> str:
        text, self._text = "".join(self._text).strip(), []
        return text


def _of_html(text: TextIO) -> Iterator[Entry]:
    parser = _Netscape()
    while piece := text.read(PIECE):
        parser.feed(piece)
        yield from parser.found
        parser.found = []
    parser.close()
    parser.end()
    yield from parser.found


_NAMES = {
    "url": ("url", "link", "href", "address"),
    "title": ("title", "name"),
    "content": ("content", "note", "notes", "excerpt", "description", "textcontent"),
    "tags": ("tags", "labels", "keywords"),
    "folder": ("folder", "collection"),
    "saved": ("time_added", "importdate", "created", "created_at", "createdat", "add_date", "added",
              "date", "timestamp"),
}  # fmt: skip


def _columns(header: Iterable[str]) -> dict[str, list[str]]:
    """The columns of a table that say each thing we keep, by the names that programs give them."""
    by_name = {name.strip().lstrip("\ufeff").lower(): name for name in header}
    found = {what: [by_name[n] for n in names if n in by_name] for what, names in _NAMES.items()}
    return {what: columns for what, columns in found.items() if columns}


def _of_csv(text: TextIO, delimiter: str) -> Iterator[Entry]:
    # A csv reader has read ahead of the row it gives; its line number is that of the row's end.
    rows = csv.DictReader((line.replace("\x00", "") for line in text), delimiter=delimiter)
    columns = _columns(rows.fieldnames or [])
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield Entry(f"line {rows.line_num}", "")
            continue
        yield _of_row(f"line {rows.line_num}", row, columns)


def _of_row(where: str, row: Mapping[str, Any], columns: Mapping[str, list[str]]) -> Entry:
    """An entry of named values, be it a row of a table or an object of JSON."""
    said = {
        what: [row[column] for column in names if row.get(column)]
        for what, names in columns.items()
    }
    first = {what: values[0] for what, values in said.items() if values}
    return Entry(
        where=where,
        url=_text(first.get("url")) or "",
        title=_text(first.get("title")),
        content="\n\n".join(filter(None, map(_text, said.get("content", [])))) or None,
        tags=_split(first.get("tags")),
        folder=_text(first.get("folder")),
        saved=first.get("saved") if isinstance(first.get("saved"), str | int | float) else None,
    )


def _json(text: TextIO, name: str) -> Any:
    try:
        return json.load(text)
    except (ValueError, RecursionError):
        raise InvalidInput(f"{name} looks like JSON and is broken: export it anew") from None


def _of_json(document: Any) -> Iterator[Entry]:
    for number, (row, folder) in enumerate(_objects(document), start=1):
        where = f"entry {number}"
        if not isinstance(row, Mapping):
            yield Entry(where, "")
            continue
        content = row.get("content")
        if isinstance(content, Mapping):  # Karakeep keeps the address, or the text, inside
            row = {**row, "content": content.get("text"), "url": content.get("url")}
        entry = _of_row(where, row, _columns(row))
        yield replace(entry, folder=entry.folder or folder)


def _objects(document: Any) -> Iterator[tuple[Any, str | None]]:
    """The bookmarks of a JSON export, each with the folders it stands in."""
    if isinstance(document, list):
        yield from ((row, None) for row in document)
        return
    # Karakeep has lists, and in a bookmark their ids; Linkwarden has collections of links.
    folders = {
        folder["id"]: folder
        for folder in [*_under(document, "lists"), *_under(document, "collections")]
        if isinstance(folder, Mapping) and isinstance(folder.get("id"), str | int)
    }
    for row in _under(document, "bookmarks"):
        ids = _under(row, "lists")
        yield row, ", ".join(filter(None, (_path(at, folders) for at in ids))) or None
    for collection in _under(document, "collections"):
        if isinstance(collection, Mapping):
            folder = _path(collection.get("id"), folders) or _text(collection.get("name"))
            yield from ((link, folder) for link in _under(collection, "links"))


def _path(at: Any, folders: Mapping[Any, Mapping[str, Any]]) -> str | None:
    """The names of a folder and of those around it, from the outermost on."""
    names: dict[str | int, str | None] = {}
    while isinstance(at, str | int) and at in folders and at not in names:
        names[at] = _text(folders[at].get("name"))
        at = folders[at].get("parentId")
    return " / ".join(filter(None, reversed(names.values()))) or None


def _under(document: Any, name: str) -> list[Any]:
    """The list of that name; empty where there is none."""
    return _list(document.get(name)) if isinstance(document, Mapping) else []


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _split(tags: Any) -> tuple[str, ...]:
    """Tags as programs write them: `a,b`, `a|b`, ["a", "b"] or [{"name": "a"}]."""
    if isinstance(tags, str):
        return tuple(filter(None, (tag.strip() for tag in re.split(r"[|,;]", tags))))
    named = (tag.get("name") if isinstance(tag, Mapping) else tag for tag in _list(tags))
    return tuple(filter(None, map(_text, named)))
