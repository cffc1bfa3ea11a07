"""The tags of owners, as the steps of one run know them."""

import asyncio
import time

from keepsake.database import Pool

SECONDS_KNOWN = 30.0  # until they are read again
MOST_OWNERS = 100  # whose tags are in memory
MOST_TAGS = 2000  # of each


class OwnerTags:
    """Owners' tags, read now and then: to count those of many bookmarks takes a tenth of a second.

    What a run adds itself it knows at once, before it is written.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._reading = asyncio.Lock()
        self._known: dict[int, tuple[float, dict[str, None]]] = {}  # by owner, with when

    async def of(self, owner_id: int) -> list[str]:
        """An owner's tags, those that people set first, then the most used."""
        async with self._reading:
            read_at, tags = self._known.get(owner_id, (0.0, None))
            now = time.monotonic()
            if tags is None or now - read_at > SECONDS_KNOWN:
                self._known.pop(owner_id, None)
                while len(self._known) >= MOST_OWNERS:
                    self._known.pop(next(iter(self._known)))
                tags = dict.fromkeys(await self._read(owner_id))
                self._known[owner_id] = now, tags
        return list(tags)

    def add(self, owner_id: int, tags: tuple[str, ...]) -> None:
        """Know tags that are on their way to be written."""
        if owner_id in self._known:
            self._known[owner_id][1].update(dict.fromkeys(tags))

    async def _read(self, owner_id: int) -> list[str]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT keyword FROM keywords WHERE owner_id = %s GROUP BY keyword"
                " ORDER BY bool_or(source = 'human') DESC, count(*) DESC, keyword LIMIT %s",
                (owner_id, MOST_TAGS),
            )
            return [row[0] for row in await cursor.fetchall()]
