"""The files that browsers and other programs export bookmarks to: what each entry holds.

The content gives the format, the name does not. Names of columns and the writing of tags differ
from program to program and from year to year, so they are read tolerantly; `Export.kind` and
`Export.taken` say as what. What becomes of an entry is decided in `imports.py`.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from html.parser import HTMLParser
from itertools import chain
from typing import Any, BinaryIO, TextIO

from keepsake.bookmarks.markup import plain_text
from keepsake.errors import InvalidInput

PIECE = 64 * 1024  # bytes of HTML read at a time

csv.field_size_limit(4 * 1024 * 1024)


def _windows(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are no UTF-8: old programs write Windows-1252, new ones cut a letter in two."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101  # nothing is encoded
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("windows", _windows)


@dataclass(frozen=True)
class Entry:
    """One bookmark as a file has it. `where` names its line or its number there."""

    where: str
    url: str
    title: str | None = None
    content: str | None = None
    tags: tuple[str, ...] = ()
    folder: str | None = None
    saved: str | int | float | None = None  # as it is written


@dataclass(frozen=True)
class Export:
    """A file of bookmarks that was recognised.

    Attributes:
        kind: what it was taken for.
        taken: the columns of the first entry that each thing is taken from; empty for HTML.
        entries: its bookmarks, read as they are asked for.
    """

    kind: str
    taken: Mapping[str, list[str]]
    entries: Iterator[Entry]


def read_export(file: BinaryIO, name: str) -> Export:
    """Recognise a file of bookmarks.

    Raises:
        InvalidInput: the format is not known.
    """
    start = file.read(PIECE)
    file.seek(0)
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if wide else "utf-8-sig"
    head = start.decode(encoding, "windows").lstrip()
    opened = partial(io.TextIOWrapper, file, encoding=encoding, errors="windows")
    found: Export | None = None
    if head.startswith(("{", "[")):
        found = _json_export(_json(opened(), name))
    elif re.search(r"<!doctype netscape|<dl\b|<a\s", head, re.IGNORECASE):
        found = Export("bookmarks of a browser (HTML)", {}, _of_html(opened()))
    else:
        found = _table(head, partial(opened, newline=""))
    if found is None:
        raise InvalidInput(
            f"{name} is no file of bookmarks that is known: export them from a browser (HTML or "
            "JSON), Pocket, Instapaper, Raindrop or Readwise (CSV), Pinboard, Omnivore, wallabag, "
            "Karakeep or Linkwarden (JSON), or write a CSV with a column named url"
        )
    return found


# -- HTML -----------------------------------------------------------------------------------------


class _Netscape(HTMLParser):
    """Bookmarks as browsers export them: nested lists of links below headings.

    Read leniently, since programs write it badly: a heading names the list that follows it, a text
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
            tags=split_tags(attributes.get("tags", "")),
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


# -- tables ---------------------------------------------------------------------------------------

# By what programs call them, in small letters and without anything between; the first one counts.
_NAMES = {
    "url": ("url", "link", "href", "address", "uri", "resolvedurl", "givenurl"),
    "title": ("title", "name", "resolvedtitle", "giventitle"),
    "content": ("content", "note", "notes", "selection", "excerpt", "description", "textcontent",
                "extended", "comment"),
    "tags": ("tags", "labels", "keywords", "documenttags", "tag"),
    "folder": ("folder", "collection", "location", "list"),
    "saved": ("timeadded", "importdate", "created", "createdat", "adddate", "added", "date",
              "timestamp", "savedat", "saveddate", "datesaved", "addedat", "dateadded", "addedon",
              "bookmarkedat", "datecreated", "creationdate", "time", "saved"),
}  # fmt: skip
# `page_url` and `Link URI` name the page; these name something else of it.
_ADDRESS = re.compile(r"(?<!image)(?<!cover)(?<!icon)(?<!thumbnail)(?<!feed)(?<!preview)ur[il]$")


def _columns(header: Iterable[str]) -> dict[str, list[str]]:
    """The columns of a table that say each thing we keep, by the names that programs give them."""
    by_name = {re.sub(r"[\W_]", "", name.lower()): name for name in header if name}
    found = {what: [by_name[n] for n in names if n in by_name] for what, names in _NAMES.items()}
    if not found["url"]:
        found["url"] = [name for key, name in by_name.items() if _ADDRESS.search(key)][:1]
    return {what: columns for what, columns in found.items() if columns}


def _table(head: str, opened: Callable[[], TextIO]) -> Export | None:
    """A table whose first line names an address, or holds one."""
    for delimiter in ",;\t":
        first = next(csv.reader(head.splitlines(), delimiter=delimiter), [])
        columns = _columns(first)
        if "url" in columns:
            return Export("a table (CSV)", columns, _of_csv(opened(), delimiter, None))
        if header := _without_header(first):
            entries = _of_csv(opened(), delimiter, header)
            return Export("a list without a heading", _columns(header), entries)
    return None


def _without_header(first: list[str]) -> list[str] | None:
    """Names for the columns of a list that has none: the address, and the first text beside it."""
    at = [n for n, cell in enumerate(first) if re.match(r"https?://\S+$", cell.strip())]
    if not at:
        return None
    names = [f"column {n}" for n in range(1, len(first) + 1)]
    names[at[0]] = "url"
    if beside := [n for n, cell in enumerate(first) if cell.strip() and n not in at]:
        names[beside[0]] = "title"
    return names


def _of_csv(text: TextIO, delimiter: str, header: list[str] | None) -> Iterator[Entry]:
    # A csv reader has read ahead of the row it gives; its line number is that of the row's end.
    lines = (line.replace("\x00", "") for line in text)
    rows = csv.DictReader(lines, fieldnames=header, delimiter=delimiter)
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
        content="\n\n".join(map(plain_text, filter(None, map(_text, said.get("content", [])))))
        or None,
        tags=split_tags(first.get("tags")),
        folder=_text(first.get("folder")),
        saved=first.get("saved") if isinstance(first.get("saved"), str | int | float) else None,
    )


# -- JSON -----------------------------------------------------------------------------------------


def _json(text: TextIO, name: str) -> Any:
    try:
        return json.load(text)
    except (ValueError, RecursionError):
        raise InvalidInput(f"{name} looks like JSON and is broken: export it again") from None


def _json_export(document: Any) -> Export | None:
    kind, objects = _objects(document)
    if objects is None:
        return None
    first = next(objects, None)
    rows = objects if first is None else chain([first], objects)
    row = first[0] if first else None
    taken: dict[str, list[str]] = {}
    if isinstance(row, Mapping):
        kind = next((name for name, keys in _KINDS.items() if keys <= row.keys()), kind)
        taken = _pinboard_columns(row) or _columns(row)
    return Export(kind, taken, _of_objects(rows))


# What distinguishes programs that all write a list of objects.
_KINDS = {
    "Pinboard (JSON)": {"href", "extended"},
    "Omnivore (JSON)": {"slug", "labels", "savedAt"},
    "wallabag (JSON)": {"is_archived", "url", "content"},
}


def _of_objects(rows: Iterable[tuple[Any, str | None]]) -> Iterator[Entry]:
    for number, (row, folder) in enumerate(rows, start=1):
        where = f"entry {number}"
        if not isinstance(row, Mapping):
            yield Entry(where, "")
            continue
        content = row.get("content")
        if isinstance(content, Mapping):  # Karakeep keeps the address, or the text, inside
            row = {**row, "content": content.get("text"), "url": content.get("url")}
        pinboard = _pinboard_columns(row)
        entry = _of_row(where, row, pinboard or _columns(row))
        if pinboard:
            entry = replace(entry, tags=tuple((_text(row.get("tags")) or "").split()))
        yield replace(entry, folder=entry.folder or folder)


def _pinboard_columns(row: Mapping[str, Any]) -> dict[str, list[str]] | None:
    """Pinboard, as Delicious before it, calls the title `description` and the note `extended`."""
    if not {"href", "extended"} <= row.keys():
        return None
    names = {"url": "href", "title": "description", "content": "extended", "tags": "tags",
             "saved": "time"}  # fmt: skip
    return {what: [name] for what, name in names.items()}


def _objects(document: Any) -> tuple[str, Iterator[tuple[Any, str | None]] | None]:
    """What a JSON document is, and its bookmarks, each with its folders."""
    if isinstance(document, list):
        return "a list (JSON)", ((row, None) for row in document)
    if document.keys() & {"bookmarks", "collections"}:
        return "Karakeep or Linkwarden (JSON)", _shelved(document)
    tree = [*_list(document.get("children")), *(_mapping(document.get("roots")).values())]
    if next(_leaves(tree), None):
        return "bookmarks of a browser (JSON)", _leaves(tree)
    for rows in map(_list, document.values()):
        if rows and isinstance(rows[0], Mapping) and "url" in _columns(rows[0]):
            return "a list (JSON)", ((row, None) for row in rows)
    return "", None


def _leaves(nodes: Iterable[Any]) -> Iterator[tuple[Any, str | None]]:
    """The bookmarks of a tree as Firefox and Chrome keep it, each with the folders around it."""
    waiting: list[tuple[Any, tuple[str, ...]]] = [(node, ()) for node in reversed(list(nodes))]
    while waiting:
        node, names = waiting.pop()
        if not isinstance(node, Mapping):
            continue
        if children := _list(node.get("children")):
            name = _text(node.get("title")) or _text(node.get("name"))
            within = (*names, name) if name else names
            waiting.extend((child, within) for child in reversed(children))
        elif _text(node.get("uri")) or _text(node.get("url")):
            yield node, " / ".join(names) or None


def _shelved(document: Mapping[str, Any]) -> Iterator[tuple[Any, str | None]]:
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


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def split_tags(tags: Any) -> tuple[str, ...]:
    """Tags as programs write them.

    `a,b`, `a|b`, `a;b`, `["a", "b"]` and `{a,b}` as a text, or a list of texts or of objects that
    have a name. A blank divides nothing: "to read" is one tag.
    """
    if isinstance(tags, str):
        if tags.strip().startswith("["):
            try:
                return split_tags(json.loads(tags))
            except (ValueError, RecursionError):
                pass
        inner = re.sub(r"^\s*[\[{](.*)[\]}]\s*$", r"\1", tags, flags=re.DOTALL)
        return tuple(filter(None, (tag.strip(" \t\n\"'") for tag in re.split(r"[|,;]", inner))))
    named = (_tag_name(tag) if isinstance(tag, Mapping) else tag for tag in _list(tags))
    return tuple(filter(None, map(_text, named)))


def _tag_name(tag: Mapping[str, Any]) -> Any:
    return next((tag[name] for name in ("name", "label", "title", "tag") if tag.get(name)), None)
