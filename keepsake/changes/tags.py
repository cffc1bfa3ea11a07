"""Tags by hand, whatever the line: values of a response, keywords of a bookmark.

What a person set, no model takes away; what a person took off, no model puts back.
"""

from collections.abc import Sequence

from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.line_module import TagTable
from keepsake.lines import module_of
from keepsake.records.lookup import line_of


def tag(connection: Connection, owner_id: int, record_id: int, value: str) -> None:
    """Tag a response or a bookmark. A value that is new joins the family's vocabulary.

    Raises:
        InvalidInput: there is no such record, it takes no tags, or the tag is no good.
    """
    with connection.transaction():
        _locked(connection, owner_id, record_id).add(connection, owner_id, record_id, value)


def tags_of(connection: Connection, owner_id: int, record_id: int) -> list[str] | None:
    """The tags of a record of an owner; None: its line has none.

    Raises:
        InvalidInput: there is no such record.
    """
    table = module_of(line_of(connection, owner_id, record_id)).tags
    if table is None:
        return None
    rows = connection.execute(
        f"SELECT {table.column} FROM {table.table} WHERE record_id = %s ORDER BY 1",  # noqa: S608
        (record_id,),
    )
    return [tag for (tag,) in rows]


def untag(connection: Connection, owner_id: int, record_id: int, tags: Sequence[str]) -> list[str]:
    """Take tags off a response or a bookmark, those of models too.

    A value that came into the family's vocabulary with somebody's tag leaves it when no record has
    it any more. Returns the values that left.

    Raises:
        InvalidInput: there is no such record, or it has not all of the tags; then none is taken
            off.
    """
    with connection.transaction():
        in_table = _locked(connection, owner_id, record_id)
        table, column = in_table.table, in_table.column
        known = connection.execute(
            f"SELECT {column} FROM {table} WHERE record_id = %s ORDER BY 1",  # noqa: S608
            (record_id,),
        ).fetchall()
        by_key = {value.casefold(): value for (value,) in known}
        found = []
        for name in tags:
            value = by_key.get(" ".join(name.split()).casefold())
            if value is None:
                has = ", ".join(by_key.values()) or "none"
                raise InvalidInput(f"record {record_id} has no tag {name!r} (it has: {has})")
            found.append(value)
        connection.execute(
            f"DELETE FROM {table} WHERE record_id = %s AND {column} = ANY(%s)",  # noqa: S608
            (record_id, found),
        )
        connection.cursor().executemany(
            "INSERT INTO removed_tags (record_id, owner_id, tag) VALUES (%s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [(record_id, owner_id, value) for value in found],
        )
        return in_table.removed(connection, owner_id, found)


def _locked(connection: Connection, owner_id: int, record_id: int) -> TagTable:
    """Where the tags of a record are, which no run writes until the transaction ends.

    Raises:
        InvalidInput: there is no such record, or its line has no tags.
    """
    line = line_of(connection, owner_id, record_id)
    tags = module_of(line).tags
    if tags is None:
        raise InvalidInput(f"record {record_id} is of the line {line}: it takes no tags")
    # Runs hold the record before they look for what was taken off (`save` of the steps).
    connection.execute("SELECT FROM records WHERE id = %s FOR UPDATE", (record_id,))
    return tags
