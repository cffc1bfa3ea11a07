"""Batches: records that were taken in together, from one file or folder.

A batch is opened before its first record and closed after its last, so that whoever looks at it
knows whether more is to come. How the records are read stands with their lines.
"""

from keepsake.database import Connection


def start_batch(connection: Connection, owner_id: int, line: str, name: str) -> int:
    """Open a batch and return its id. `name` is that of the file or folder."""
    row = connection.execute(
        "INSERT INTO batches (owner_id, line, name) VALUES (%s, %s, %s) RETURNING id",
        (owner_id, line, name),
    ).fetchone()
    assert row is not None  # noqa: S101  # RETURNING returns
    return int(row[0])


def finish_batch(
    connection: Connection, batch_id: int, *, added: int, known: int, refused: int
) -> None:
    """Close a batch: how many records are new, were there already, or could not be made."""
    connection.execute(
        "UPDATE batches SET added = %s, known = %s, refused = %s, taken_in_at = now()"
        " WHERE id = %s",
        (added, known, refused, batch_id),
    )
