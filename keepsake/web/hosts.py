"""Whose turn it is: no host is asked more often than once in an interval, over all runs.

The next free moment of each host is in the table `hosts`. A turn is taken in one statement, so
that runs side by side never take the same one.
"""

import asyncio

from keepsake.database import Pool
from keepsake.errors import RateLimited

# Seconds that a record waits for its turn inside a run. With more before it the ledger puts it off,
# and its place goes to a record of another host.
LONGEST_WAIT = 30.0
# What the engine is asked to wait then: longer than it keeps a record waiting in a run.
PUT_OFF = 61.0


class Turns:
    """Hands out the moments at which hosts may be asked, `interval` seconds from each other."""

    def __init__(self, pool: Pool, interval: float) -> None:
        self._pool = pool
        self._interval = interval

    async def wait(self, host: str, *, at_least: float = 0.0) -> None:
        """Wait until `host` may be asked, at intervals of `at_least` seconds.

        Raises:
            RateLimited: others are before us for longer than we wait. No turn was taken.
        """
        interval = max(self._interval, at_least)
        if interval > 0:
            await asyncio.sleep(await self._take(host, interval))

    async def _take(self, host: str, interval: float) -> float:
        """Take the next turn; the seconds until it comes."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                """
                INSERT INTO hosts AS h (host, next_at)
                VALUES (%(host)s, now() + make_interval(secs => %(interval)s))
                ON CONFLICT (host) DO UPDATE
                SET next_at = greatest(now(), h.next_at) + make_interval(secs => %(interval)s)
                WHERE h.next_at < now() + make_interval(secs => %(longest)s)
                RETURNING extract(epoch FROM next_at - now())::float8 - %(interval)s
                """,
                {"host": host, "interval": interval, "longest": LONGEST_WAIT},
            )
            row = await cursor.fetchone()
        if row is None:
            raise RateLimited(
                f"{host} is asked once in {interval:g} s, and many are before this one",
                retry_after=PUT_OFF,
            )
        return max(0.0, float(row[0]))
