"""How the rows of results are stored and read: a column for each field of a dataclass.

Which table and which dataclass is for each step to say.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from psycopg import sql
from psycopg.rows import class_row

from keepsake.database import AsyncConnection, Connection
from keepsake.pipeline.line import Made

Result = TypeVar("Result")
Row = TypeVar("Row")


def columns_of(shape: type[Any]) -> tuple[str, ...]:
    """The columns that hold a dataclass: the names of its fields."""
    return tuple(field.name for field in fields(shape))


async def replace_rows(
    connection: AsyncConnection,
    table: str,
    made: Sequence[Made[Result]],
    columns: Sequence[str],
    rows_of: Callable[[Result], Iterable[Sequence[Any]]],
    *,
    types: Sequence[str] = (),
) -> None:
    """Put the rows of some results in the place of all that `table` has for their records.

    Args:
        connection: in the transaction that writes the ledger.
        table: with `record_id` and `owner_id`.
        made: the results.
        columns: its other columns.
        rows_of: the values of these columns, a row each; none for a result that has no row.
        types: of these columns. With them values are sent in binary, which is faster for vectors.
    """
    name = sql.Identifier(table)
    await connection.execute(
        sql.SQL("DELETE FROM {} WHERE record_id = ANY(%s)").format(name),
        ([each.record_id for each in made],),
    )
    copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT {})").format(
        name,
        sql.SQL(", ").join(map(sql.Identifier, ("record_id", "owner_id", *columns))),
        sql.SQL("binary" if types else "text"),
    )
    async with connection.cursor() as cursor, cursor.copy(copy) as sink:
        if types:
            sink.set_types(["int8", "int8", *types])
        for each in made:
            for row in rows_of(each.result):
                await sink.write_row((each.record_id, each.owner_id, *row))


def read_rows(
    connection: Connection,
    table: str,
    shape: type[Row],
    owner_id: int,
    record_id: int,
    *,
    order: str = "record_id",
) -> tuple[Row, ...]:
    """Read what a table has of an owner's record, each row as the dataclass `shape`.

    Args:
        connection: to the database.
        table: with `record_id`, `owner_id` and the columns of `shape`.
        shape: a dataclass.
        owner_id: whose record.
        record_id: of the record.
        order: the column by which rows are sorted.
    """
    query = sql.SQL("SELECT {} FROM {} WHERE record_id = %s AND owner_id = %s ORDER BY {}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns_of(shape))),
        sql.Identifier(table),
        sql.Identifier(order),
    )
    with connection.cursor(row_factory=class_row(shape)) as cursor:
        return tuple(cursor.execute(query, (record_id, owner_id)))


def read_row(
    connection: Connection, table: str, shape: type[Row], owner_id: int, record_id: int
) -> Row | None:
    """The one row that a table has of an owner's record; None: it has none."""
    return next(iter(read_rows(connection, table, shape, owner_id, record_id)), None)
