"""An owner in one run: how fast its records may begin, and for how much money.

The engine asks here before it begins a record or makes a step. What calls cost is in
`keepsake/owners/prices.py`, what was spent in `keepsake/owners/costs.py`.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from keepsake.database import AsyncConnection


@dataclass(frozen=True)
class OwnerLimits:
    """How fast an owner's records may be worked on, and for how much money.

    Attributes:
        owner_id: the owner.
        batch: records begun together; None: any number.
        pause_seconds: from one batch to the next.
        budget: USD that may be spent in this calendar month (UTC); None: any amount.
        spent: USD spent in this month, as far as models have prices.
        renews_at: the first moment of the next month, when the whole budget is there again.
    """

    owner_id: int
    batch: int | None
    pause_seconds: float
    budget: Decimal | None
    spent: Decimal
    renews_at: datetime


async def owner_limits(
    connection: AsyncConnection, line: str, record_ids: Sequence[int]
) -> dict[int, OwnerLimits]:
    """The limits of the owners of some records of a line, by record."""
    cursor = await connection.execute(
        """
        WITH limits AS MATERIALIZED (  -- once for each owner, not for each record
            SELECT o.id, t.batch, coalesce(t.pause_seconds, 0), b.budget, b.known, b.renews_at
            FROM owners o JOIN owner_budgets b ON b.owner_id = o.id
            LEFT JOIN tier_limits t ON t.tier = o.tier AND t.line = %(line)s
            WHERE o.id IN (SELECT owner_id FROM records WHERE id = ANY(%(ids)s))
        )
        SELECT r.id, limits.* FROM records r JOIN limits ON limits.id = r.owner_id
        WHERE r.id = ANY(%(ids)s)
        """,
        {"line": line, "ids": list(record_ids)},
    )
    return {record_id: OwnerLimits(*rest) async for record_id, *rest in cursor}


@dataclass
class Pacing:
    """One owner in one run: what is left of the month's budget, and when the next batch begins."""

    limits: OwnerLimits
    _booked: Decimal = Decimal(0)  # in this run
    _known: Decimal = Decimal(0)  # in the ledger, this run's included
    _begun: float = float("-inf")
    _left: int = 0  # of the batch
    _turns: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._before = self.limits.spent

    @property
    def budget(self) -> Decimal | None:
        """USD that may be spent in this calendar month; None: any amount."""
        return self.limits.budget

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left. What has no known price counts nothing."""
        spent = max(self._before + self._booked, self._known)
        return self.budget is not None and spent >= self.budget

    def update(self, limits: OwnerLimits) -> None:
        """Take over what the database says now.

        Other runs spend as well, people change tiers and budgets, and a month may have ended.
        """
        if limits.renews_at > self.limits.renews_at:
            self._before, self._booked, self._known = limits.spent, Decimal(0), Decimal(0)
        self.limits = limits
        self._known = max(self._known, limits.spent)

    def book(self, cost: Decimal | None) -> None:
        """Count what a step has cost."""
        self._booked += cost or 0

    async def turn(self) -> None:
        """Wait until the owner's next record may begin: a batch at once, a pause, the next batch.

        Other owners do not wait: each has its own pacing. An owner with no budget left does not
        wait either: nothing paid is made for it, and what is free need not be slow.
        """
        if self.limits.batch is None:
            return
        async with self._turns:  # in the order in which they came
            if self.is_spent:
                return
            if self._left == 0:
                await asyncio.sleep(self._begun + self.limits.pause_seconds - time.monotonic())
                self._begun, self._left = time.monotonic(), self.limits.batch
            self._left -= 1
