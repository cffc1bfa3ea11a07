"""What a tier allows its owners, and holding records to it.

Tiers are rows (`tiers`, `tier_limits`); what an owner spends is not here
(`keepsake/owners/costs.py`), nor how records of one owner begin in batches: that is the engine's.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from keepsake.database import AsyncConnection, Connection
from keepsake.errors import InvalidInput
from keepsake.owners.budgets import release_over_budget


@dataclass(frozen=True)
class Limit:
    """What a tier allows in a line.

    Attributes:
        line: which; a line without a limit is not limited.
        newest: only so many of an owner's records go through the tiered steps; None: all.
        batch: records of an owner begun together; None: any number.
        pause_seconds: from one batch to the next.
    """

    line: str
    newest: int | None
    batch: int | None
    pause_seconds: float


def limits(connection: Connection, tier: str) -> list[Limit]:
    """What a tier allows, a row for each line that it limits."""
    with connection.cursor(row_factory=class_row(Limit)) as cursor:
        return cursor.execute(
            "SELECT line, newest, batch, pause_seconds FROM tier_limits WHERE tier = %s"
            " ORDER BY line",
            (tier,),
        ).fetchall()


def check_tier(name: str, known: Sequence[str]) -> None:
    """Refuse a tier that is not among those there are.

    Raises:
        InvalidInput: the message lists those there are.
    """
    if name not in known:
        raise InvalidInput(f"there is no tier {name!r} (known: {', '.join(known)})")


async def set_tier(
    connection: AsyncConnection,
    owner_id: int,
    name: str,
    *,
    later: Collection[str] = (),
    off: Collection[str] = (),
) -> None:
    """Give an owner a tier and hold all lines to it; also when it had that tier before.

    What was put off since the budget was spent is checked again: the tier may have another.

    Raises:
        InvalidInput: there is no such tier; the message lists those there are.
    """
    cursor = await connection.execute("SELECT name FROM tiers ORDER BY name")
    check_tier(name, [row[0] for row in await cursor.fetchall()])
    async with connection.transaction():
        await connection.execute("UPDATE owners SET tier = %s WHERE id = %s", (name, owner_id))
        await cursor.execute("SELECT DISTINCT line FROM steps WHERE tiered")
        for (line,) in await cursor.fetchall():
            await apply_tier(connection, owner_id, line, later=later, off=off)
        await release_over_budget(connection, owner_id)


async def apply_tier(
    connection: AsyncConnection,
    owner_id: int,
    line: str,
    *,
    later: Collection[str] = (),
    off: Collection[str] = (),
) -> int:
    """Hold what lies beyond the owner's tier in a line, release what no longer does.

    Of the owner's records, the newest so many by `recorded_at` may have the tiered steps. What is
    made already, or in the hands of a run, is left as it is. To be called after records were
    added, in their transaction or after it, and when the tier or its limits have changed.

    Args:
        connection: to the database.
        owner_id: whose records.
        line: which of them.
        later: steps that wait for a schedule: released, they are not due.
        off: steps that are switched off: released from the tier, they are held for that.

    Returns:
        How many steps of records were held or released.
    """
    async with connection.transaction():
        # By itself, so that the next statement sees what a call just before this one has done, and
        # the records that were added under it.
        await connection.execute("SELECT FROM owners WHERE id = %s FOR NO KEY UPDATE", (owner_id,))
        # Rows that a run is writing at this moment are skipped, never waited for: they are on their
        # way to be made, and a run holding many rows could else end in a deadlock with us.
        cursor = await connection.execute(
            """
            WITH ranked AS (
                SELECT r.id, coalesce(
                    row_number() OVER (ORDER BY r.recorded_at DESC, r.id DESC) > (
                        SELECT t.newest FROM owners o
                        JOIN tier_limits t ON t.tier = o.tier AND t.line = %(line)s
                        WHERE o.id = %(owner)s), false) AS beyond
                FROM records r WHERE r.owner_id = %(owner)s AND r.line = %(line)s
            ), changed AS (
                SELECT l.record_id, l.step, beyond
                FROM ranked JOIN ledger l ON l.record_id = ranked.id
                JOIN steps s ON s.line = l.line AND s.name = l.step AND s.tiered
                WHERE l.status IN ('pending', 'failed') AND l.hold_reason IS DISTINCT FROM 'off'
                  AND beyond = (l.hold_reason IS NULL)
                FOR UPDATE OF l SKIP LOCKED
            )
            UPDATE ledger l
            SET hold_reason = CASE WHEN beyond THEN 'tier'
                                   WHEN l.step = ANY(%(off)s) THEN 'off' END,
                due_at = CASE WHEN NOT beyond AND l.status = 'pending'
                                   AND l.step <> ALL(%(later)s) AND l.step <> ALL(%(off)s)
                              THEN now() END
            FROM changed WHERE l.record_id = changed.record_id AND l.step = changed.step
            """,
            {"owner": owner_id, "line": line, "later": list(later), "off": list(off)},
        )
        return cursor.rowcount
