"""Budgets: what an owner may spend in a month, and the steps put off because it is spent.

What an owner may spend and has spent is the view `owner_budgets`. What calls cost is in
`keepsake/owners/prices.py`, what was spent on what in `keepsake/owners/costs.py`.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal

from keepsake.database import AsyncConnection
from keepsake.errors import InvalidInput

HIGHEST_BUDGET = 999_999  # USD: what the column takes


async def set_budget(connection: AsyncConnection, owner_id: int, budget: Decimal | None) -> None:
    """Bound what an owner may spend in a month, in USD; None: as its tier says.

    What was put off is due again; what is still beyond the budget is put off again.

    Raises:
        InvalidInput: no amount that a budget can be.
    """
    if budget is not None and not (budget.is_finite() and 0 <= budget <= HIGHEST_BUDGET):
        raise InvalidInput(f"a budget is an amount in USD from 0 to {HIGHEST_BUDGET:,}")
    await connection.execute(
        "UPDATE owners SET monthly_budget = %s WHERE id = %s", (budget, owner_id)
    )
    await release_over_budget(connection, owner_id)


async def release_over_budget(connection: AsyncConnection, owner_id: int) -> None:
    """Make due what was put off because the owner's budget was spent."""
    await connection.execute(
        """
        UPDATE ledger SET due_at = now(), wait_reason = NULL, waits_for = NULL
        WHERE owner_id = %s AND due_at > now() AND wait_reason = 'budget'
        """,
        (owner_id,),
    )


async def lock_budgets(connection: AsyncConnection, owner_ids: Collection[int]) -> None:
    """Let no budget of these owners change until the transaction ends.

    Call it before the transaction touches the ledger: who changes a budget locks the owner first
    and the ledger after it, and two orders would be a deadlock.
    """
    await connection.execute(
        "SELECT FROM owners WHERE id = ANY(%s) ORDER BY id FOR SHARE", (list(owner_ids),)
    )


async def release_raised(connection: AsyncConnection, record_ids: Sequence[int]) -> None:
    """Make due what was just put off, where the budget has been raised since it was read.

    Call it under `lock_budgets`: a budget that is raised at this moment is either seen here, or its
    `release_over_budget` sees the rows of this transaction.
    """
    await connection.execute(
        """
        UPDATE ledger l SET due_at = now(), wait_reason = NULL, waits_for = NULL
        FROM owner_budgets b
        WHERE l.record_id = ANY(%s) AND b.owner_id = l.owner_id AND l.wait_reason = 'budget'
          AND l.due_at > now() AND (b.budget IS NULL OR b.budget > b.known)
        """,
        (list(record_ids),),
    )
