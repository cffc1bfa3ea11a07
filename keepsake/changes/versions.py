"""The version of a record: which state of what people may change they have seen.

It changes with every change by hand, and when a step makes another text, so that no change
overwrites what its author has not seen.
"""

from psycopg.sql import SQL, Composable

from keepsake import lines
from keepsake.database import Connection
from keepsake.line_module import LineModule
from keepsake.records.lookup import line_of


def version_of(connection: Connection, owner_id: int, record_id: int) -> str:
    """The version of an owner's record, 16 hexadecimal digits.

    Raises:
        InvalidInput: there is no such record.
    """
    line = line_of(connection, owner_id, record_id)
    module = next((each for each in lines.LINES if each.name == line), None)
    row = connection.execute(
        SQL("SELECT left(md5(ROW({})::text), 16) FROM records r WHERE r.id = %s").format(
            SQL(", ").join(_parts(module))
        ),
        (record_id,),
    ).fetchone()
    return str(row[0]) if row else ""


def hold(connection: Connection, record_id: int) -> None:
    """Let nobody else change the record by hand until the transaction ends."""
    connection.execute("SELECT FROM records WHERE id = %s FOR NO KEY UPDATE", (record_id,))


def _parts(module: LineModule | None) -> list[Composable]:
    parts = ["(SELECT max(id) FROM edits WHERE record_id = r.id)"]
    if module:
        parts += [f"({field.stored})" for field in module.fields.values()]
    if module and (tags := module.tags):
        parts.append(
            f"(SELECT array_agg(({tags.column}, source) ORDER BY {tags.column})"  # noqa: S608
            f" FROM {tags.table} WHERE record_id = r.id)"
        )
    return [SQL(part) for part in parts]
