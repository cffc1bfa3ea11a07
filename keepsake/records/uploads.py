"""Objects that are stored before the rows that name them.

An upload takes longer than a transaction may. So the key is noted in `loose_objects` first, then
the object is stored, then one transaction writes the rows that name it and takes the note away. If
that breaks off, the note is left, and `sweep` (`deletion.py`) deletes the object an hour later, or
as much later as the upload may take.
"""

from collections.abc import Collection
from datetime import timedelta

from keepsake.database import AsyncConnection

LONGEST_UPLOAD = timedelta(hours=1)  # from the note to the rows


async def to_upload(
    connection: AsyncConnection,
    owner_id: int,
    keys: Collection[str],
    uploaded: Collection[str],
    *,
    longest: timedelta = LONGEST_UPLOAD,
) -> list[str]:
    """The objects to store before rows may name `keys`, noted; call it inside a transaction.

    If there are any: end the transaction, store them, and ask again. If there are none, the objects
    are in the store and no sweep takes them: write the rows, and call `named` in this transaction.

    Args:
        connection: inside a transaction.
        owner_id: whose objects they are.
        keys: the objects that rows are to name.
        uploaded: those of them that the caller has stored since it began to ask.
        longest: how long a sweep leaves them for the rows to come.
    """
    # A sweep locks the owner first, too: the two never wait for each other.
    await connection.execute("SELECT FROM owners WHERE id = %s FOR KEY SHARE", (owner_id,))
    cursor = await connection.execute(
        "SELECT key FROM loose_objects"
        " WHERE owner_id = %s AND key = ANY(%s) AND not_before > now() ORDER BY key FOR UPDATE",
        (owner_id, list(keys)),
    )
    noted = {row[0] for row in await cursor.fetchall()}
    missing = sorted(set(keys) - noted.intersection(uploaded))
    await connection.execute(
        "INSERT INTO loose_objects (key, owner_id, not_before)"
        " SELECT key, %s, now() + %s FROM unnest(%s::text[]) AS key"
        " ON CONFLICT (owner_id, key) DO UPDATE SET not_before = excluded.not_before",
        (owner_id, longest, missing),
    )
    return missing


async def named(connection: AsyncConnection, owner_id: int, keys: Collection[str]) -> None:
    """Take the owner's notes of these objects away: rows of this transaction name them."""
    await connection.execute(
        "DELETE FROM loose_objects WHERE owner_id = %s AND key = ANY(%s)", (owner_id, list(keys))
    )
