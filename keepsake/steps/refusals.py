"""How much of what a model offered was refused: words that nobody said, values nobody keeps."""

from collections.abc import Sequence

from keepsake.database import AsyncConnection


async def save_refusals(
    connection: AsyncConnection, step: str, counts: Sequence[tuple[int, int, int]]
) -> None:
    """Store (record id, offered, refused) of one step."""
    ids = [record_id for record_id, _, _ in counts]
    await connection.execute(
        "DELETE FROM refusals WHERE step = %s AND record_id = ANY(%s)", (step, ids)
    )
    rows = [
        (record_id, step, offered, refused) for record_id, offered, refused in counts if offered
    ]
    await connection.cursor().executemany(
        "INSERT INTO refusals (record_id, step, offered, refused) VALUES (%s, %s, %s, %s)", rows
    )
