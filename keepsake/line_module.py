"""What the rest of the library knows of a line: one `LineModule` a line.

Data, and functions that import when they are called: a module is read by every command. What the
steps of a line are is in `pipeline/line.py`; which lines there are is in `lines.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fastapi import APIRouter
    from pydantic import BaseModel
    from typer import Typer

    from keepsake.database import Connection
    from keepsake.pipeline.line import Line
    from keepsake.records.batches import Import
    from keepsake.records.progress import RecordHead
    from keepsake.terminal.paper import Paper


@dataclass(frozen=True)
class MadeField:
    """A text that a step makes and people may change.

    The step reads the change in force from `edits` with its source.

    Attributes:
        step: whose result has it; this step and those that need it are made again.
        stored: a SELECT of the text as the step made it.
    """

    step: str
    stored: str


@dataclass(frozen=True)
class GivenField:
    """A text that people gave with the record and may change.

    Attributes:
        stored: a SELECT of the text as it is now.
        store: writes it to the line's own table, for an owner and a record, and returns the hash
            that the content of the record has then.
        steps: what depends on it; they are made again.
    """

    stored: str
    store: Callable[["Connection", int, int, str | None], str]
    steps: tuple[str, ...]


@dataclass(frozen=True)
class TagTable:
    """Where a line has the tags of its records.

    Attributes:
        table: has a `record_id`, the tag, and a `source`: `human` or `ai`.
        column: of the tag.
        folded: the column of the tag in lower case, with an index after the owner. Not `lower` of
            the tag: under a policy PostgreSQL uses no index of an expression that may leak.
        add: adds a tag by hand, for an owner, to a record.
        removed: called in the transaction that took an owner's tags off a record; returns those
            that left the owner's vocabulary.
    """

    table: str
    column: str
    folded: str
    add: Callable[["Connection", int, int, str], None]
    removed: Callable[["Connection", int, Sequence[str]], list[str]] = lambda *_: []

    @property
    def of_tag(self) -> str:
        """A SELECT of the ids of the records of `%(owner)s` that have `%(tag)s`."""
        return (
            f"SELECT record_id FROM {self.table}"  # noqa: S608
            f" WHERE owner_id = %(owner)s AND {self.folded} = lower(%(tag)s)"
        )


@dataclass(frozen=True)
class ExportedTable:
    """A table whose rows of an owner belong into the owner's export.

    Attributes:
        kind: what its rows are called: the name of their file.
        about: what a row is, for who reads the export.
        columns: which of them, and what they hold where their names do not say it.
        table: where they are: a table, or several joined, with an `owner_id`. Empty: the one of
            that kind.
        order: of the rows.
        files: those of the columns that name objects.
    """

    kind: str
    about: str
    columns: Mapping[str, str]
    table: str = ""
    order: str = "record_id"
    files: tuple[str, ...] = ()


class RecordView(Protocol):
    """What a line reads of a record to show it in full: a dataclass of its own."""

    @property
    def title(self) -> str | None:
        """The heading of its page; None: that of lists."""

    @property
    def language(self) -> str | None:
        """Of what a person reads of it, as a code; None: not known."""

    def objects(self) -> Iterator[tuple[str, str]]:
        """The kind and key of each of its objects; the kinds are those of `show.File`."""


@dataclass(frozen=True)
class View:
    """How a line shows a record in full.

    Attributes:
        read: what was made of a record, by its owner and its id; a `RecordView`.
        write: writes it on a terminal.
        template: of its page, beside the line's code. It extends `record.html.j2` of
            `keepsake/show/` and gets what was read as `made`.
    """

    read: Callable[["Connection", int, int], RecordView]
    write: Callable[["Paper", "RecordHead", Any], None]
    template: Path


@dataclass(frozen=True)
class Results:
    """What a line answers of a record over HTTP.

    Attributes:
        model: of the answer. Its field `line` is a Literal of the line's name.
        of: makes it from what the line's view has read, and from the addresses of its objects: a
            function of their keys.
    """

    model: type["BaseModel"]
    of: Callable[[Any, Callable[[str], str]], "BaseModel"]


@dataclass(frozen=True)
class LineModule:
    """A line as search, lists, messages and commands know it.

    SQL names the record as `r.id`.

    Attributes:
        name: of the line, as in `records.line`.
        records: what people call its records, in the plural.
        load_line: imports the line with its steps.
        about: a SELECT of one row with four texts, each of which may be NULL: the title; what the
            record came as, for when it has no title; who said it or which site it is from; its
            address.
        words: tables with a `record_id`, each with an expression of its text, that `keepsake
            records --search` looks in. An index on `to_tsvector('simple', EXPRESSION)` is needed.
        text: a SELECT of the text of a record, for search by words while it has no passages;
            None: it has no text.
        kinds: the kinds of texts of its records in the view `texts`, which a search looks in beside
            passages: `story`, `letter`.
        of_person: a SELECT of the ids of the records of `%(owner)s` that were said by `%(person)s`,
            or are from that site; None: its records name no one.
        embeddings: the step that makes its passages; None: none does, and its records are searched
            by the words of `text` alone.
        fields: what people may change by hand, by name: `title`, `transcript`, `story`.
        tags: where its tags are; None: its records take none.
        load_view: imports how its records are shown in full; None: they are shown with their steps.
        load_results: imports what of its view is answered over HTTP; None: nothing is.
        add_commands: adds its commands to the groups `keepsake add`, `keepsake import` and to
            `keepsake` itself. It is called by every command, so what it imports is light too.
        load_import: imports what takes in its files of many records; None: it has no such files.
        load_exported: imports which of its tables an owner's export has.
        load_routers: imports its routes: what the API and the pages have of this line alone.
        section: the name of its pages in the navigation; None: it has none. They begin at
            `/o/OWNER/LINE`, and a record's is `/o/OWNER/LINE/ID`.
        needs: SQL: whether an owner, `%(owner)s`, has what must be there before its first record.
            Who has it sees the section without a record. None: nothing must.
    """

    name: str
    records: str
    load_line: Callable[[], "Line"]
    about: str
    words: tuple[tuple[str, str], ...] = ()
    text: str | None = None
    kinds: tuple[str, ...] = ()
    of_person: str | None = None
    embeddings: str | None = None
    fields: Mapping[str, MadeField | GivenField] = field(default_factory=dict)
    tags: TagTable | None = None
    load_view: Callable[[], View] | None = None
    load_results: Callable[[], Results] | None = None
    add_commands: Callable[["Typer", "Typer", "Typer"], None] | None = None
    load_import: Callable[[], "Import"] | None = None
    load_exported: Callable[[], Sequence[ExportedTable]] | None = None
    load_routers: Callable[[], Sequence["APIRouter"]] | None = None
    section: str | None = None
    needs: str | None = None
