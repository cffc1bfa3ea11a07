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
    step: str | None = None,
    line: str | None = None,
) -> None:
    """Let pass what exists: a step of the line or of any, a line.

    Raises:
        InvalidInput: one of them does not exist; the message lists what does.
    """
    if line is not None:
        check_line(connection, line)
    if step is not None:
        _check_step(connection, step, line=line)


def check_record(
    connection: Connection,
    owner_id: int,
    record_id: int,
    *,
    step: str | None = None,
    line: str | None = None,
) -> None:
    """Let pass a record of an owner that is of this line and has this step.

    Raises:
        InvalidInput: there is no such record, line or step; the message lists what there is.
    """
    if line is not None:
        check_line(connection, line)
    of = line_of(connection, owner_id, record_id)
    if line not in (None, of):
        raise InvalidInput(f"record {record_id} is of the line {of}, not of {line}")
    if step is not None:
        _check_step(connection, step, line=of, record_id=record_id)


def _check_step(
    connection: Connection, name: str, *, line: str | None, record_id: int | None = None
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


def owner_of(connection: Connection, record_id: int) -> int:
    """The owner of a record, for commands: these may name a record of any owner.

    Raises:
        InvalidInput: there is no such record; the message says which ids there are.
    """
    row = connection.execute("SELECT owner_id FROM records WHERE id = %s", (record_id,)).fetchone()
    if row is None:
        raise unknown_record(connection, None, record_id)
    return int(row[0])


def line_of(connection: Connection, owner_id: int, record_id: int) -> str:
    """The line of a record of an owner.

    Raises:
        InvalidInput: there is no such record; the message says which ids there are.
    """
    row = connection.execute(
        "SELECT line FROM records WHERE id = %s AND owner_id = %s", (record_id, owner_id)
    ).fetchone()
    if row is None:
        raise unknown_record(connection, owner_id, record_id)
    return str(row[0])


def unknown_record(connection: Connection, owner_id: int | None, record_id: int) -> InvalidInput:
    """The error for an id that no record of an owner has; None: of any owner."""
    row = connection.execute(
        "SELECT min(id), max(id) FROM records WHERE %(owner)s::bigint IS NULL"
        " OR owner_id = %(owner)s",
        {"owner": owner_id},
    ).fetchone()
    lowest, highest = row or (None, None)
    known = "there are none yet" if lowest is None else f"ids run from {lowest} to {highest}"
    return InvalidInput(f"there is no record {record_id} ({known}): see `keepsake records`")
