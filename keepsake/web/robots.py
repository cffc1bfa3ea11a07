"""What a site asks of robots, as RFC 9309 has it.

A robots.txt is fetched once a run for each origin, however many ask at once. One that does not
exist allows everything; one that cannot be had now allows nothing for now. It is an untrusted file,
so the worker pool reads it: one of 500 kB can be made to take gigabytes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from keepsake.errors import PermanentError, RateLimited, RetryableError
from keepsake.worker_pool import WorkerPool

if TYPE_CHECKING:
    from httpx2 import URL

# What of a robots.txt counts: RFC 9309 asks for at least this.
MAX_BYTES = 500 * 1024
# A crawl delay beyond this is not meant for someone who comes for single pages.
LONGEST_DELAY = 10.0
# Origins whose rules are kept in memory: more than a run has records in hand.
MOST_ORIGINS = 250
READ_SECONDS = 10.0  # that reading the rules may take

# Fetches an address: the status, and what came with it.
Fetch = Callable[[str], Awaitable[tuple[int, bytes]]]


class Robots:
    """The rules of every origin that was asked about."""

    def __init__(self, fetch: Fetch, workers: WorkerPool, user_agent: str) -> None:
        self._fetch = fetch
        self._workers = workers
        self._name = user_agent.partition("/")[0]  # rules go by the name, not by its version
        self._rules: dict[str, asyncio.Task[bytes]] = {}

    async def check(self, url: "URL") -> float:
        """Let pass an address that its site allows us; the crawl delay it asks for, in seconds.

        Raises:
            PermanentError: the site does not allow us, or its rules cannot be read.
            RetryableError: the site does not give its rules now.
        """
        rules = await self._of(str(url.copy_with(raw_path=b"/robots.txt")), url.host)
        if not rules:
            return 0.0
        try:
            allowed, delay = await self._workers.run(
                verdict, rules, str(url), self._name, seconds=READ_SECONDS
            )
        except PermanentError:  # more memory or time than anyone's rules need
            raise PermanentError(f"robots.txt of {url.host} cannot be read") from None
        if not allowed:
            raise PermanentError(f"robots.txt of {url.host} does not allow us")
        return min(delay, LONGEST_DELAY)

    async def _of(self, address: str, host: str) -> bytes:
        task = self._rules.get(address)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            while len(self._rules) >= MOST_ORIGINS:
                self._rules.pop(next(iter(self._rules)))
            task = self._rules[address] = asyncio.create_task(self._read(address, host))
        # Shielded: who gives up waiting does not end it for the others.
        return await asyncio.shield(task)

    async def _read(self, address: str, host: str) -> bytes:
        try:
            status, body = await self._fetch(address)
        except PermanentError:
            # It redirects without end, or the like. What keeps us from the host itself keeps us
            # from its pages as well, and reports them.
            return b""
        if status == 429:
            raise RateLimited(f"{host} asks us to slow down (robots.txt: 429)")
        if status >= 500:
            raise RetryableError(f"{host} does not say what robots may do ({status})")
        return b"" if status >= 400 else body

    async def close(self) -> None:
        """End what is still being fetched."""
        for task in self._rules.values():
            task.cancel()
        await asyncio.gather(*self._rules.values(), return_exceptions=True)


def verdict(rules: bytes, url: str, robot: str) -> tuple[bool, float]:
    """Whether a robots.txt lets a robot have an address, and the crawl delay it asks for."""
    from protego import Protego

    read = Protego.parse(rules.decode("utf-8-sig", "replace"))
    return read.can_fetch(url, robot), float(read.crawl_delay(robot) or 0.0)
