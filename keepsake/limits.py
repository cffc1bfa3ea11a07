"""One gate for each model role: how many calls at once, and whether the endpoint answers at all.

Every call to a role's endpoint passes through its `Gate`. The gate holds the shared limit, and it
notices when the endpoint itself is down, so that a thousand records do not each spend their
attempts on it. It does not retry: that is the line's business.
"""

import asyncio
from types import TracebackType
from typing import Self

from keepsake.errors import EndpointDown, PermanentError, RateLimited, RetryableError

FAILURES_IN_A_ROW = 5


class Gate:
    """`async with gate:` around one call.

    Opens for at most `limit` calls at once. After five failures in a row without one success, or
    after a single `EndpointDown` (a refused key, an unknown model), every further call raises
    `EndpointDown` at once, for the life of the gate: one run.
    """

    def __init__(self, role: str, limit: int) -> None:
        self.role = role
        self.limit = limit
        self._slots = asyncio.Semaphore(limit)
        self._failures = 0
        self.down: EndpointDown | None = None

    async def __aenter__(self) -> Self:
        self._refuse_if_down()
        await self._slots.acquire()
        try:
            self._refuse_if_down()
        except EndpointDown:
            self._slots.release()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._slots.release()
        if error is None or isinstance(error, PermanentError | RateLimited):
            self._failures = 0  # it answered
        elif isinstance(error, EndpointDown):
            self.down = error
        elif isinstance(error, RetryableError):
            self._failures += 1
            if self._failures >= FAILURES_IN_A_ROW or self.down is not None:
                self.down = self.down or EndpointDown(
                    f"{self.role}: {self._failures} calls in a row failed, the last with: {error}",
                    role=self.role,
                    retry_after=error.retry_after,
                )
                raise self.down from error

    def _refuse_if_down(self) -> None:
        if self.down is not None:
            raise EndpointDown(
                str(self.down), role=self.role, retry_after=self.down.retry_after
            ) from self.down
