"""One gate for each model role: how many calls at once, and whether the endpoint answers at all.

Every call to a role's endpoint passes through its `Gate`. The gate holds the shared limit, and it
notices when the endpoint itself is down, so that a thousand records do not each spend their
attempts on it. It does not retry: that is the engine's business.

Who waits for a place waits for owners in turn, not for all that one of them asked for before.
"""

import asyncio
from collections import Counter, deque
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from keepsake.errors import EndpointDown, PermanentError, RateLimited, RetryableError

FAILURES_IN_A_ROW = 5

# Whose work is done: the engine says so for each record, and it follows the work into its tasks.
current_owner: ContextVar[int | None] = ContextVar("current_owner", default=None)


@dataclass
class Activity:
    """What is under way in one step of a run: records in it, and its calls by role.

    Attributes:
        under_way: records whose result is being made.
        queued: calls that wait for a place at a gate, by its role.
        calling: calls that have one.
    """

    under_way: int = 0
    queued: Counter[str] = field(default_factory=Counter)
    calling: Counter[str] = field(default_factory=Counter)


# Of which step a call is: the engine says so for each, gates count it there.
current_activity: ContextVar[Activity | None] = ContextVar("current_activity", default=None)


class Places:
    """`async with places:` around what only so many may do at once; owners wait in turn."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: dict[int | None, deque[asyncio.Future[None]]] = {}  # by owner, next first

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    async def acquire(self) -> None:
        """Wait for a place and take it."""
        if self._free:
            self._free -= 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(current_owner.get(), deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # it was given to us at this very moment
                self.release()
            raise

    def release(self) -> None:
        """Give a place back: to the next owner who waits, whose others then stand at the end."""
        while self._waiting:
            owner = next(iter(self._waiting))
            theirs = self._waiting.pop(owner)
            place = theirs.popleft()
            if theirs:
                self._waiting[owner] = theirs
            if not place.done():  # else who waited was cancelled
                place.set_result(None)
                return
        self._free += 1


class Gate:
    """`async with gate:` around one call.

    Opens for at most `limit` calls at once. After five failures in a row without one success, or
    after a single `EndpointDown` (a refused key, an unknown model), every further call raises
    `EndpointDown` at once, for the life of the gate: one run.
    """

    def __init__(self, role: str, limit: int) -> None:
        self.role = role
        self.limit = limit
        self._places = Places(limit)
        self._failures = 0
        self.down: EndpointDown | None = None

    async def __aenter__(self) -> Self:
        self._refuse_if_down()
        activity = current_activity.get() or Activity()
        activity.queued[self.role] += 1
        try:
            await self._places.acquire()
        finally:
            activity.queued[self.role] -= 1
        try:
            self._refuse_if_down()
        except EndpointDown:
            self._places.release()
            raise
        activity.calling[self.role] += 1
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._places.release()
        if activity := current_activity.get():
            activity.calling[self.role] -= 1
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
