"""How many calls an endpoint gets at once, and whether it answers at all.

Every call to a model role's endpoint passes through its `EndpointLimiter`: a semaphore, and a
circuit breaker that notices when the endpoint itself is down, so that a thousand records do not
each spend their attempts on it. It does not retry: that is the engine's business.

Calls that wait for a place are served by owner in turn, not all calls of one owner first. Where
somebody may stop the work, it is asked once more before each call (`before_call`).
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from keepsake.errors import EndpointDown, PermanentError, RateLimited, RetryableError

FAILURES_IN_A_ROW = 5

# The owner whose record is worked on. The engine sets it for each record; tasks inherit it.
current_owner: ContextVar[int | None] = ContextVar("current_owner", default=None)


@dataclass
class InFlight:
    """What is under way in one step of a run: records in it, and its calls by role.

    Attributes:
        under_way: records whose result is being made.
        queued: calls that wait for a place at an endpoint, by its role.
        calling: calls that have one.
    """

    under_way: int = 0
    queued: Counter[str] = field(default_factory=Counter)
    calling: Counter[str] = field(default_factory=Counter)


# The step that a call belongs to. The engine sets it for each step, limiters count the call there.
current_in_flight: ContextVar[InFlight | None] = ContextVar("current_in_flight", default=None)

# Called before each call to an endpoint; raises where nothing more is to be paid for.
before_call: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar(
    "before_call", default=None
)


class FairSemaphore:
    """`async with semaphore:` where only so many may run at once; owners are served in turn."""

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
            if not place.cancelled():  # it was granted at this very moment
                self.release()
            raise

    def release(self) -> None:
        """Give a place back: to the next owner that waits, whose other calls then queue last."""
        while self._waiting:
            owner = next(iter(self._waiting))
            theirs = self._waiting.pop(owner)
            place = theirs.popleft()
            if theirs:
                self._waiting[owner] = theirs
            if not place.done():  # else the waiter was cancelled
                place.set_result(None)
                return
        self._free += 1


class EndpointLimiter:
    """`async with limiter:` around one call: a semaphore and a circuit breaker.

    Lets at most `limit` calls through at once. After five failures in a row without one success, or
    after a single `EndpointDown` (a refused key, an unknown model), every further call raises
    `EndpointDown` at once, for the life of the limiter: one run.
    """

    def __init__(self, role: str, limit: int) -> None:
        self.role = role
        self.limit = limit
        self._semaphore = FairSemaphore(limit)
        self._failures = 0
        self.down: EndpointDown | None = None

    async def __aenter__(self) -> Self:
        self._refuse_if_down()
        in_flight = current_in_flight.get() or InFlight()
        in_flight.queued[self.role] += 1
        try:
            await self._semaphore.acquire()
        finally:
            in_flight.queued[self.role] -= 1
        try:
            self._refuse_if_down()
            if check := before_call.get():
                await check()
        except BaseException:
            self._semaphore.release()
            raise
        in_flight.calling[self.role] += 1
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._semaphore.release()
        if in_flight := current_in_flight.get():
            in_flight.calling[self.role] -= 1
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

    def try_again(self) -> None:
        """Let calls through again: for a limiter that lives longer than a run."""
        self.down, self._failures = None, 0

    def _refuse_if_down(self) -> None:
        if self.down is not None:
            raise EndpointDown(
                str(self.down), role=self.role, retry_after=self.down.retry_after
            ) from self.down
