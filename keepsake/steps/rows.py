"""How the rows of results are stored: one COPY for many records, in place of earlier rows.

Which table and which columns is for each step to say.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from psycopg import sql

from keepsake.database import AsyncConnection
from keepsake.pipeline.line import Made

Result = TypeVar("Result")


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
