"""Budgets: what an owner may spend in a month, and the steps put off because it is spent.

What calls cost is in `keepsake/owners/prices.py`, what was spent in `keepsake/owners/costs.py`.
"""

from collections.abc import Sequence

from keepsake.database import AsyncConnection

OVER_BUDGET = "OverBudget"  # the error type of what waits for another month, or a higher budget


async def release_raised(connection: AsyncConnection, record_ids: Sequence[int]) -> None:
    """Make due what was just put off, where the budget has been raised since it was read.

    Locks the owners' rows: a budget that is raised at this moment is either seen here, or its
    `release_budget` sees the rows of this transaction.
    """
    await connection.execute(
        """
        WITH theirs AS (
            SELECT o.id, coalesce(o.monthly_budget, tiers.monthly_budget) AS budget
            FROM owners o JOIN tiers ON tiers.name = o.tier
            WHERE o.id IN (SELECT owner_id FROM records WHERE id = ANY(%(ids)s)) FOR SHARE OF o
        )
        UPDATE ledger l SET due_at = now() FROM records r JOIN theirs ON theirs.id = r.owner_id
        WHERE r.id = ANY(%(ids)s) AND l.record_id = r.id AND l.error_type = %(over)s
          AND l.due_at > now()
          AND (budget IS NULL OR budget > (
              SELECT coalesce(sum(cost), 0) FROM spending s WHERE s.owner_id = theirs.id
                  AND day >= date_trunc('month', now() AT TIME ZONE 'UTC')))
        """,
        {"ids": list(record_ids), "over": OVER_BUDGET},
    )


async def release_budget(connection: AsyncConnection, owner_id: int) -> None:
    """Make due what was put off because the owner's budget was spent."""
    await connection.execute(
        """
        UPDATE ledger l SET due_at = now() FROM records r
        WHERE r.id = l.record_id AND r.owner_id = %s AND l.due_at > now() AND l.error_type = %s
        """,
        (owner_id, OVER_BUDGET),
    )
