"""What an owner may have done in a run: so much at a time, and for so much money.

The engine asks here before it begins a record or makes a step. What calls cost is in
`keepsake/owners/prices.py`, what was spent is in the ledger.
"""

import asyncio
import time
from dataclasses import dataclass, field
from decimal import Decimal

from keepsake.pipeline.ledger import Terms


@dataclass
class Account:
    """An owner in one run: what is left of the month's budget, and when the next batch begins."""

    terms: Terms
    _booked: Decimal = Decimal(0)  # in this run
    _known: Decimal = Decimal(0)  # in the ledger, this run's included
    _begun: float = float("-inf")
    _left: int = 0  # of the batch
    _turns: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._before = self.terms.spent

    @property
    def budget(self) -> Decimal | None:
        """USD that may be spent in this calendar month; None: any amount."""
        return self.terms.budget

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left. What has no known price counts nothing."""
        spent = max(self._before + self._booked, self._known)
        return self.budget is not None and spent >= self.budget

    def learn(self, terms: Terms) -> None:
        """Take over what the database says now.

        Other runs spend as well, people change tiers and budgets, and a month may have ended.
        """
        if terms.renews_at > self.terms.renews_at:
            self._before, self._booked, self._known = terms.spent, Decimal(0), Decimal(0)
        self.terms = terms
        self._known = max(self._known, terms.spent)

    def book(self, cost: Decimal | None) -> None:
        """Count what a step has cost."""
        self._booked += cost or 0

    async def turn(self) -> None:
        """Wait until the owner's next record may begin: a batch at once, a pause, the next batch.

        Others do not wait: each owner has an account. Nor does who has no budget left: nothing
        paid is made of it, and what is free need not be slow.
        """
        if self.terms.batch is None:
            return
        async with self._turns:  # in the order in which they came
            if self.is_spent:
                return
            if self._left == 0:
                await asyncio.sleep(self._begun + self.terms.pause_seconds - time.monotonic())
                self._begun, self._left = time.monotonic(), self.terms.batch
            self._left -= 1
