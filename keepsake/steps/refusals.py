"""How much of what a model offered was refused: words that were not said, values not in use."""

from collections.abc import Sequence
from typing import Protocol

from keepsake.database import AsyncConnection
from keepsake.pipeline.line import Made


class Sifted(Protocol):
    """A result that counts what the model offered, and what of it was refused."""

    @property
    def offered(self) -> int:
        """All of it."""

    @property
    def refused(self) -> int:
        """What was left out."""


async def save_refusals(
    connection: AsyncConnection, step: str, made: Sequence[Made[Sifted]]
) -> None:
    """Store how much of what was offered for each record one step refused."""
    await connection.execute(
        "DELETE FROM refusals WHERE step = %s AND record_id = ANY(%s)",
        (step, [each.record_id for each in made]),
    )
    await connection.cursor().executemany(
        "INSERT INTO refusals (record_id, owner_id, step, offered, refused)"
        " VALUES (%s, %s, %s, %s, %s)",
        [
            (each.record_id, each.owner_id, step, each.result.offered, each.result.refused)
            for each in made
            if each.result.offered
        ],
    )
