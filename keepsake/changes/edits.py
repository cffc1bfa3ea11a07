"""What people change by hand: title, transcript, story. Their word holds when a step runs again.

An edit is a row of `edits`; the steps read the one in force with their source. What depends on it
is made due in the same transaction, and a run that began before leaves it due (`ledger.redo`), so
that an edit wins whatever is under way.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row
from psycopg.sql import SQL

from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.line_module import GivenField, MadeField
from keepsake.lines import module_of
from keepsake.pipeline.ledger.repair import redo
from keepsake.records.adding import check_text
from keepsake.records.lookup import line_of
from keepsake.settings import IntakeSettings
from keepsake.text.names import clean_name


@dataclass(frozen=True)
class Edit:
    """A change by hand.

    Attributes:
        field: `title`, `transcript` or `story`.
        value: what it was changed to; None: the change before was taken back.
        previous: what was there before; None: nothing.
        edited_at: when.
    """

    field: str
    value: str | None
    previous: str | None
    edited_at: datetime


def edits(connection: Connection, owner_id: int, record_id: int) -> list[Edit]:
    """The changes of a record of an owner, the newest first."""
    with connection.cursor(row_factory=class_row(Edit)) as cursor:
        return cursor.execute(
            "SELECT field, value, previous, edited_at FROM edits"
            " WHERE record_id = %s AND owner_id = %s ORDER BY id DESC",
            (record_id, owner_id),
        ).fetchall()


def editable(connection: Connection, owner_id: int, record_id: int) -> dict[str, str]:
    """The texts of a record of an owner that people may change, by field, as they are now.

    Raises:
        InvalidInput: there is no such record.
    """
    fields = module_of(line_of(connection, owner_id, record_id)).fields
    texts = {name: _shown(connection, record_id, name, field) for name, field in fields.items()}
    return {name: text for name, text in texts.items() if text is not None}


def edit_title(connection: Connection, owner_id: int, record_id: int, title: str | None) -> bool:
    """Give a record of an owner another title; None: take the change back.

    Returns False if it has that title already; then nothing changes.

    Raises:
        InvalidInput: there is no such record, the title is no good, or there is nothing to take
            back.
    """
    title = None if title is None else clean_name(title)
    return _edit(connection, owner_id, record_id, "title", title)


def edit_transcript(
    connection: Connection,
    settings: IntakeSettings,
    owner_id: int,
    record_id: int,
    text: str | None,
) -> bool:
    """Put another text in the place of a response's transcript; None: take the change back.

    Of a recording the words keep their times (`keepsake/text/realign.py`). Taken back, it is
    transcribed again.

    Returns False if that is its text already; then nothing changes.

    Raises:
        InvalidInput: there is no such record, it has no transcript, the text is no good, or there
            is nothing to take back.
    """
    text = None if text is None else check_text(text, settings)
    return _edit(connection, owner_id, record_id, "transcript", text)


def edit_story(
    connection: Connection,
    settings: IntakeSettings,
    owner_id: int,
    record_id: int,
    text: str | None,
) -> bool:
    """Put another text in the place of a response's story; None: take the change back.

    An empty line parts its paragraphs. A story that is narrated gets another episode.

    Returns False if that is its text already; then nothing changes.

    Raises:
        InvalidInput: there is no such record, it has no story, the text is no good, or there is
            nothing to take back.
    """
    text = None if text is None else check_text(text, settings)
    return _edit(connection, owner_id, record_id, "story", text)


def _edit(
    connection: Connection, owner_id: int, record_id: int, name: str, value: str | None
) -> bool:
    with connection.transaction():
        line = line_of(connection, owner_id, record_id)
        # No other edit touches the record until the transaction ends.
        connection.execute("SELECT FROM records WHERE id = %s FOR NO KEY UPDATE", (record_id,))
        field = module_of(line).fields.get(name)
        if field is None:
            raise InvalidInput(f"record {record_id} is of the line {line}: it has no {name}")
        previous = _shown(connection, record_id, name, field)
        if not _changes(connection, record_id, name, value, previous):
            return False
        match field:
            case MadeField():
                line_with_steps = module_of(line).load_line()
                redo(connection, owner_id, record_id, *line_with_steps.following(field.step))
            case GivenField():
                given = _first(connection, record_id, name) if value is None else value
                content_hash = field.store(connection, owner_id, record_id, given)
                connection.execute(
                    "UPDATE records SET content_hash = %s WHERE id = %s AND owner_id = %s",
                    (content_hash, record_id, owner_id),
                )
                redo(connection, owner_id, record_id, *field.steps)
        connection.execute(
            "INSERT INTO edits (record_id, owner_id, field, value, previous)"
            " VALUES (%s, %s, %s, %s, %s)",
            (record_id, owner_id, name, value, previous),
        )
    return True


def _shown(
    connection: Connection, record_id: int, name: str, field: MadeField | GivenField
) -> str | None:
    """What people see now: of what a step makes, the change that it may not have followed yet."""
    row = connection.execute(
        SQL(
            "SELECT coalesce((SELECT value FROM edits WHERE record_id = r.id AND field = %(name)s"
            " AND %(made)s ORDER BY edits.id DESC LIMIT 1), ({stored}))"
            " FROM records r WHERE r.id = %(id)s"
        ).format(stored=SQL(field.stored)),
        {"id": record_id, "name": name, "made": isinstance(field, MadeField)},
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
    """What was there before the first edit."""
    row = connection.execute(
        "SELECT previous FROM edits WHERE record_id = %s AND field = %s ORDER BY id LIMIT 1",
        (record_id, field),
    ).fetchone()
    return row[0] if row else None
