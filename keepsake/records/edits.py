"""What people change by hand: title and transcript. Their word holds when a step is made again.

An edit is a row of `edits`; the steps read the one in force with their source. What depends on it
is made due in the same transaction, and a run that began before leaves it due (`ledger.redo`), so
that an edit wins whatever is under way.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from keepsake.bookmarks.bookmark import retitle as retitle_bookmark
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.pipeline.ledger import redo
from keepsake.records.adding import check_text, clean_name
from keepsake.records.lookup import line_of
from keepsake.running.activity import retitle as retitle_activity
from keepsake.settings import Settings

# The steps of the family line that hold what is edited, or are made from it.
TITLED = ("stories", "podcasts")
WORDED = ("transcripts", "embeddings", "tags", "wisdom", "stories", "quotes", "podcasts")


@dataclass(frozen=True)
class Edit:
    """A change by hand.

    Attributes:
        field: `title` or `transcript`.
        value: what it was changed to; None: the change before was taken back.
        previous: what stood there before; None: nothing.
        edited_at: when.
    """

    field: str
    value: str | None
    previous: str | None
    edited_at: datetime


def edits(connection: Connection, record_id: int) -> list[Edit]:
    """The changes of a record, the newest first."""
    with connection.cursor(row_factory=class_row(Edit)) as cursor:
        return cursor.execute(
            "SELECT field, value, previous, edited_at FROM edits WHERE record_id = %s"
            " ORDER BY id DESC",
            (record_id,),
        ).fetchall()


def edit_title(connection: Connection, record_id: int, title: str | None) -> bool:
    """Give a record another title; None: take the change back.

    Returns False if it has that title already; then nothing changes.

    Raises:
        InvalidInput: there is no such record, the title is no good, or there is nothing to take
            back.
    """
    title = None if title is None else clean_name(title)
    with connection.transaction():
        line = _locked(connection, record_id)
        previous = _previous(connection, record_id, line, "title")
        if not _changes(connection, record_id, "title", title, previous):
            return False
        match line:
            case "family":
                redo(connection, record_id, *TITLED)
            case "bookmarks":
                given = _first(connection, record_id, "title") if title is None else title
                retitle_bookmark(connection, record_id, given)
            case "running":
                given = _first(connection, record_id, "title") if title is None else title
                retitle_activity(connection, record_id, given)
            case _:
                raise InvalidInput(f"records of the line {line} have no title")
        _keep(connection, record_id, "title", title, previous)
    return True


def edit_transcript(
    connection: Connection, settings: Settings, record_id: int, text: str | None
) -> bool:
    """Put another text in the place of a response's transcript; None: take the change back.

    Of a recording the words keep their times (`keepsake/text/realign.py`). Taken back, it is
    transcribed anew.

    Returns False if that is its text already; then nothing changes.

    Raises:
        InvalidInput: there is no such record, it has no transcript, the text is no good, or there
            is nothing to take back.
    """
    text = None if text is None else check_text(text, settings)
    with connection.transaction():
        line = _locked(connection, record_id)
        if line != "family":
            raise InvalidInput(f"record {record_id} is of the line {line}: it has no transcript")
        previous = _previous(connection, record_id, line, "transcript")
        if not _changes(connection, record_id, "transcript", text, previous):
            return False
        redo(connection, record_id, *WORDED)
        _keep(connection, record_id, "transcript", text, previous)
    return True


def _locked(connection: Connection, record_id: int) -> str:
    """The line of a record that no other edit touches until the transaction ends."""
    line = line_of(connection, record_id)
    connection.execute("SELECT FROM records WHERE id = %s FOR NO KEY UPDATE", (record_id,))
    return line


def _previous(connection: Connection, record_id: int, line: str, field: str) -> str | None:
    """What people see now."""
    if line == "family":
        stored = "SELECT title FROM stories" if field == "title" else "SELECT text FROM transcripts"
        row = connection.execute(
            f"SELECT coalesce((SELECT value FROM edits WHERE record_id = %(id)s AND field ="  # noqa: S608
            f" %(field)s ORDER BY id DESC LIMIT 1), ({stored} WHERE record_id = %(id)s))",
            {"id": record_id, "field": field},
        ).fetchone()
    else:
        table = "bookmarks" if line == "bookmarks" else "activity_files"
        row = connection.execute(
            f"SELECT title FROM {table} WHERE record_id = %s",  # noqa: S608
            (record_id,),
        ).fetchone()
    return row[0] if row else None


def _changes(
    connection: Connection, record_id: int, field: str, value: str | None, previous: str | None
) -> bool:
    """Whether an edit changes anything.

    Raises:
        InvalidInput: it takes back what was not edited.
    """
    if value is not None:
        return value != previous
    row = connection.execute(
        "SELECT value FROM edits WHERE record_id = %s AND field = %s ORDER BY id DESC LIMIT 1",
        (record_id, field),
    ).fetchone()
    if row is None or row[0] is None:
        raise InvalidInput(f"the {field} of record {record_id} was not edited")
    return True


def _first(connection: Connection, record_id: int, field: str) -> str | None:
    """What stood there before the first edit."""
    row = connection.execute(
        "SELECT previous FROM edits WHERE record_id = %s AND field = %s ORDER BY id LIMIT 1",
        (record_id, field),
    ).fetchone()
    return row[0] if row else None


def _keep(
    connection: Connection, record_id: int, field: str, value: str | None, previous: str | None
) -> None:
    connection.execute(
        "INSERT INTO edits (record_id, field, value, previous) VALUES (%s, %s, %s, %s)",
        (record_id, field, value, previous),
    )
