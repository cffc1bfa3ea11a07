"""Names and ids that people give: what exists passes, what does not gets an error that helps."""

from keepsake.database import Connection
from keepsake.errors import InvalidInput


def lines(connection: Connection) -> list[str]:
    """The names of the lines."""
    return [row[0] for row in connection.execute("SELECT DISTINCT line FROM steps ORDER BY line")]


def check_line(connection: Connection, name: str) -> None:
    """Let a name pass that a line has.

    Raises:
        InvalidInput: no line has it; the message lists those there are.
    """
    known = lines(connection)
    if name not in known:
        raise InvalidInput(f"there is no line {name!r} (known: {', '.join(known)})")


def check_names(
    connection: Connection,
    *,
    record_id: int | None = None,
    step: str | None = None,
    line: str | None = None,
) -> None:
    """Let pass what exists: a record, a step of it or of the line, a line.

    Raises:
        InvalidInput: one of them does not exist; the message lists what does.
    """
    if line is not None:
        check_line(connection, line)
    if record_id is not None:
        of = line_of(connection, record_id)
        if line not in (None, of):
            raise InvalidInput(f"record {record_id} is of the line {of}, not of {line}")
        line = of
    if step is not None:
        _check_step(connection, step, line=line, record_id=record_id)


def _check_step(
    connection: Connection, name: str, *, line: str | None, record_id: int | None
) -> None:
    # A record may have rows of steps that its line no longer has.
    rows = connection.execute(
        "SELECT name FROM steps WHERE %(line)s::text IS NULL OR line = %(line)s"
        " UNION SELECT step FROM ledger WHERE record_id = %(record_id)s ORDER BY 1",
        {"line": line, "record_id": record_id},
    ).fetchall()
    known = [row[0] for row in rows]
    if name not in known:
        where = f"record {record_id} has" if record_id else f"{line} has" if line else "there is"
        raise InvalidInput(f"{where} no step {name!r} (known: {', '.join(known)})")


def line_of(connection: Connection, record_id: int) -> str:
    """The line of a record.

    Raises:
        InvalidInput: there is no such record; the message says which ids there are.
    """
    row = connection.execute("SELECT line FROM records WHERE id = %s", (record_id,)).fetchone()
    if row is None:
        raise unknown_record(connection, record_id)
    return str(row[0])


def unknown_record(connection: Connection, record_id: int) -> InvalidInput:
    """The error for an id that no record has."""
    row = connection.execute("SELECT min(id), max(id) FROM records").fetchone()
    lowest, highest = row or (None, None)
    known = "there are none yet" if lowest is None else f"ids run from {lowest} to {highest}"
    return InvalidInput(f"there is no record {record_id} ({known}): see `keepsake records`")
