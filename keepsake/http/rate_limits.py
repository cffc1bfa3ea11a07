"""Rate limits: how many requests a minute a token, a session or an address may make.

The count is in the database, so that it holds over all processes. A process takes a twentieth of a
limit at once and asks again when that is used up: one statement for many requests.
"""

import time
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from starlette.requests import HTTPConnection

from keepsake.accounts.tokens import hash_of
from keepsake.database import Pool
from keepsake.http.problems import Problem

_PARTS = 20  # of a limit, of which a process takes one at once
_MOST_KEPT = 10_000  # counts in a process, before those of past minutes are dropped


@dataclass
class _Taken:
    minute: int
    left: int = 0
    over: bool = False


class RateLimits:
    """The counts of this process, backed by the database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._taken: dict[str, _Taken] = {}

    async def count(self, key: str, most: int, *, now: float | None = None) -> None:
        """Count a request. `most` is how many there may be in a minute; 0: any number.

        Raises:
            Problem: there were too many in this minute.
        """
        if not most:
            return
        now = time.time() if now is None else now
        minute = int(now // 60)
        taken = self._taken.get(key)
        if taken is None or taken.minute != minute:
            taken = self._taken[key] = _Taken(minute)
            self._drop_old(minute)
        if not taken.left and not taken.over:
            more = await self._take(key, minute, most)
            taken.left += more
            taken.over = not more
        if not taken.left:
            wait = max(1, 60 - int(now % 60))
            raise Problem(
                "too_many_requests",
                f"more than {most:,} requests in a minute: try again in {wait} s",
                headers={"Retry-After": str(wait)},
            )
        taken.left -= 1

    async def _take(self, key: str, minute: int, most: int) -> int:
        """Take a part of the limit from the database: how many requests it is."""
        part = max(1, most // _PARTS)
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                """
                INSERT INTO rate_limits AS r (key, minute, taken) VALUES (%s, %s, %s)
                ON CONFLICT (key) DO UPDATE SET minute = excluded.minute, taken = excluded.taken
                    + CASE r.minute WHEN excluded.minute THEN r.taken ELSE 0 END
                RETURNING taken
                """,
                (hash_of(key), minute, part),
            )
            row = await cursor.fetchone()
        assert row is not None  # noqa: S101  # RETURNING returns
        return max(0, min(part, most - (int(row[0]) - part)))

    def _drop_old(self, minute: int) -> None:
        if len(self._taken) > _MOST_KEPT:
            self._taken = {k: v for k, v in self._taken.items() if v.minute == minute}


def address_key(asked: HTTPConnection) -> str:
    """The address that asks; of IPv6 the network, since a subscriber has all of it."""
    host = asked.client.host if asked.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return f"address {host}"
    if isinstance(address, IPv6Address):
        address = IPv6Address(int(address) >> 64 << 64)
    return f"address {address}"
