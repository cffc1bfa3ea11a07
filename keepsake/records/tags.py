"""Tags by hand, whatever the line: values of a response, keywords of a bookmark.

What a person set, no model takes away; what a person took off, no model puts back.
"""

from collections.abc import Sequence

from keepsake.bookmarks import bookmark as bookmarks
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.family import response as family
from keepsake.records.lookup import line_of


def tag(connection: Connection, record_id: int, value: str) -> None:
    """Tag a response or a bookmark. A value that is new joins the family's vocabulary.

    Raises:
        InvalidInput: there is no such record, it takes no tags, or the tag is no good.
    """
    with connection.transaction():
        match _locked(connection, record_id):
            case family.LINE:
                family.tag(connection, record_id, value)
            case bookmarks.LINE:
                bookmarks.tag(connection, record_id, value)


def untag(connection: Connection, record_id: int, tags: Sequence[str]) -> list[str]:
    """Take tags off a response or a bookmark, whoever set them.

    A value that came into the family's vocabulary with somebody's tag leaves it when no record has
    it any more. Returns the values that left.

    Raises:
        InvalidInput: there is no such record, or it has not all of the tags; then none is taken
            off.
    """
    with connection.transaction():
        line = _locked(connection, record_id)
        table, column = _TABLES[line]
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
            "INSERT INTO removed_tags (record_id, tag) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [(record_id, value) for value in found],
        )
        if line != family.LINE:
            return []
        return family.forget_unused(connection, record_id, found)


_TABLES = {family.LINE: ("tags", "value"), bookmarks.LINE: ("keywords", "keyword")}


def _locked(connection: Connection, record_id: int) -> str:
    """The line of a record whose tags no run writes until the transaction ends.

    Raises:
        InvalidInput: there is no such record, or its line has no tags.
    """
    line = line_of(connection, record_id)
    if line not in _TABLES:
        raise InvalidInput(f"record {record_id} is of the line {line}: it takes no tags")
    # Runs hold the record before they look for what was taken off (`save` of the steps).
    connection.execute("SELECT FROM records WHERE id = %s FOR UPDATE", (record_id,))
    return line
