"""What a person wants to know of one record, gathered: its line's results, files, what is missing.

What was made is read by each line itself, by the view in its module. A line without a view is shown
with its steps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from psycopg.sql import SQL

from keepsake import lines
from keepsake.changes.edits import Edit, edits
from keepsake.clients.objects import ObjectStore
from keepsake.database import Connection
from keepsake.line_module import RecordView
from keepsake.pipeline.ledger.rows import HOLD_REASONS, waiting_text
from keepsake.pipeline.ledger.states import record_steps
from keepsake.records.progress import RecordHead, record_head
from keepsake.search.about import about

Why = Literal["failed", "nothing to make", "held", "not made yet", "to be made again"]


@dataclass(frozen=True)
class File:
    """An object that belongs to a record.

    Attributes:
        kind: `recording`, `clip`, `episode`, `captions`, `chapters`, `page`, `activity`, or the
            kind of a medium: `video`, `audio`, `image`.
        key: of the object.
        url: an absolute path, or `s3://bucket/key`.
        link: an address that a browser opens; one of S3 is signed, and holds for 12 hours.
    """

    kind: str
    key: str
    url: str
    link: str

    @property
    def place(self) -> str:
        """Where a person finds it: the path, or the signed address."""
        return self.url if self.link.startswith("file:") else self.link


@dataclass(frozen=True)
class Unmade:
    """A step without a result, or with one that is to be replaced, and why in plain words."""

    step: str
    why: Why
    reason: str


@dataclass(frozen=True)
class Document:
    """One record in full.

    Attributes:
        record: its head.
        title: its title, or what it came as; None: it has neither.
        made: what its line reads of it; None in a line that is shown with its steps alone.
        files: its objects.
        unmade: steps without a result, or with one that is to be replaced.
        edits: what people changed, the newest first.
    """

    record: RecordHead
    title: str | None
    made: RecordView | None
    files: tuple[File, ...]
    unmade: tuple[Unmade, ...]
    edits: tuple[Edit, ...]

    def file(self, key: str | None) -> File | None:
        """The file with that key."""
        return next((file for file in self.files if file.key == key), None)


def read_document(
    connection: Connection, objects: ObjectStore, owner_id: int, record_id: int
) -> Document:
    """Everything about a record of an owner.

    Raises:
        InvalidInput: there is no such record.
        EndpointDown: the object store needs credentials to name its files.
    """
    record = record_head(connection, owner_id, record_id)
    # A record whose line is not registered any more is shown with its steps.
    load_view = next((m.load_view for m in lines.LINES if m.name == record.line), None)
    made = load_view().read(connection, owner_id, record_id) if load_view else None
    return Document(
        record=record,
        title=title_of(connection, owner_id, record_id),
        made=made,
        files=tuple(_files(made, objects)) if made else (),
        unmade=tuple(_unmade(connection, owner_id, record_id)),
        edits=tuple(edits(connection, owner_id, record_id)),
    )


def _files(made: RecordView, objects: ObjectStore) -> Iterator[File]:
    for kind, key in made.objects():
        yield File(kind, key, objects.url(key), objects.link(key))


def title_of(connection: Connection, owner_id: int, record_id: int) -> str | None:
    """The title of an owner's record, or what it came as; None: it has neither."""
    row = connection.execute(
        SQL(
            "SELECT coalesce(about.title, about.came_as) FROM records r {about}"
            " WHERE r.id = %s AND r.owner_id = %s"
        ).format(about=about()),
        (record_id, owner_id),
    ).fetchone()
    return row[0] if row else None


def _unmade(connection: Connection, owner_id: int, record_id: int) -> Iterator[Unmade]:
    for row in record_steps(connection, owner_id, record_id):
        if unmade := why_unmade(row):
            yield unmade


def why_unmade(row: Mapping[str, Any]) -> Unmade | None:
    """Why a step has no result, by its row of `record_steps`; None: it has one that holds."""
    step, error = row["step"], row["error_message"] or ""
    if row["status"] == "succeeded":
        if row["due_at"]:
            return Unmade(step, "to be made again", _open(row))
        return None if row["made"] else Unmade(step, "nothing to make", row["nothing_reason"] or "")
    if row["hold_reason"]:
        return Unmade(step, "held", HOLD_REASONS[row["hold_reason"]])
    if row["status"] == "failed":
        return Unmade(step, "failed", error)
    return Unmade(step, "not made yet", _open(row))


def _open(row: Mapping[str, Any]) -> str:
    """What a step that is still to be made waits for."""
    if row["status"] == "running":
        return "being made"
    why = waiting_text(row["wait_reason"], row["waits_for"]) or row["error_message"]
    if row["due_at"] is None:
        return why or "left to its schedule, or to a backfill"
    return why or "due: `keepsake up` makes it"
