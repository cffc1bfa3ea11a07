"""When a step that raised is tried again: in the same run, in a later one, or not at all."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keepsake.errors import EndpointDown, RateLimited, RetryableError, Unreachable


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class RetryPolicy:
    """How often and when a step is tried again.

    Attributes:
        attempts: in one run, at most.
        first_delay: seconds before the second attempt; doubles with each, with jitter.
        longest_delay: seconds between two attempts, unless a provider asks for more.
        longest_retry_after: seconds that a run waits because a provider asks for it; what asks for
            more is put off.
        first_deferral: how long a step is put off at first; doubles with each time.
        longest_deferral: how long a step is put off at most, unless a provider asks for more.
        deferrals_on_request: times that a step is put off because its provider asks for it.
        highest_retry_after: seconds; a provider that asks for more is asked again after that.
        sleep: waits so many seconds.
        now: the present moment, with a time zone.
    """

    attempts: int = 3
    first_delay: float = 1.0
    longest_delay: float = 10.0
    longest_retry_after: float = 60.0
    first_deferral: timedelta = timedelta(minutes=1)
    longest_deferral: timedelta = timedelta(minutes=30)
    deferrals_on_request: int = 8
    highest_retry_after: float = 86_400.0
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    now: Callable[[], datetime] = _utc_now

    def delay(self, error: Exception, attempts: int) -> float | None:
        """Seconds before the next attempt in this run; None: there is none.

        Args:
            error: what the last attempt raised.
            attempts: how many there have been.
        """
        if not isinstance(error, RetryableError) or attempts >= self.attempts:
            return None
        jitter = random.uniform(1.0, 2.0)  # noqa: S311  # so that records do not return in step
        delay = min(self.longest_delay, self.first_delay * 2 ** (attempts - 1) * jitter)
        delay = max(delay, error.retry_after or 0.0)
        return delay if delay <= self.longest_retry_after else None

    def due_again(self, error: Exception, deferrals: int) -> datetime | None:
        """When a later run tries again; None: not by itself, the step has failed.

        Args:
            error: what the last attempt raised.
            deferrals: how often the step has been put off in a row.
        """
        retry_after = min(getattr(error, "retry_after", None) or 0.0, self.highest_retry_after)
        requested = retry_after > self.longest_retry_after
        if not (
            isinstance(error, EndpointDown | RateLimited | Unreachable)
            or (requested and deferrals < self.deferrals_on_request)
        ):
            return None
        wait: timedelta = min(self.longest_deferral, self.first_deferral * 2 ** min(deferrals, 10))
        if isinstance(error, RateLimited) and retry_after:
            wait = timedelta()  # a rate limit names its time, and it does not get worse
        return self.now() + max(wait, timedelta(seconds=retry_after))
