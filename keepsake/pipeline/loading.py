"""Records into memory: pages in order, locks, and what their steps need.

At most `records_in_memory` records are there at once. What is then done to them is in `run.py`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from keepsake.database import AsyncConnection, Pool
from keepsake.owners import pacing
from keepsake.owners.pacing import OwnerLimits, Pacing
from keepsake.pipeline.ledger import claims, due
from keepsake.pipeline.line import Line
from keepsake.pipeline.reports import Tally
from keepsake.pipeline.spec import EngineConfig, RunSpec
from keepsake.pipeline.staleness import Staleness, WorkItem


async def stored_results(
    connection: AsyncConnection, line: Line, step: str, ids: Sequence[int]
) -> Mapping[int, Any]:
    """The stored results of a step, by record.

    Raises:
        TypeError: the step has no `load`.
    """
    load = line.step(step).load
    if load is None:
        raise TypeError(f"another step needs {step}, but {step} has no load")
    return await load(connection, ids)


class Loader:
    """Reads the records of one run, locks them, and gives out those that have work."""

    def __init__(
        self,
        line: Line,
        spec: RunSpec,
        pool: Pool,
        staleness: Staleness,
        tally: Tally,
        config: EngineConfig,
    ) -> None:
        self._line = line
        self._spec = spec
        self._pool = pool
        self._staleness = staleness
        self._tally = tally
        self._records_a_page = config.records_a_page
        self._slots = asyncio.Semaphore(config.records_in_memory)
        self._owners: dict[int, Pacing] = {}
        self._finished: list[int] = []  # their locks are given back with the next page
        self._seen: list[int] = []  # in mode `due`
        self._after: tuple[int, int] | None = None  # in mode `all`

    async def items(self, locks: AsyncConnection) -> AsyncGenerator[WorkItem]:
        """Locked, loaded records that have work, never more than fit into memory.

        Each is to be handed back with `finish`. The locks live as long as the connection `locks`.
        """
        async for page in self._pages():
            finished, self._finished = self._finished, []
            await claims.unlock_records(locks, finished)
            taken = await claims.lock_records(locks, list(page))
            self._tally.report.busy += len(page) - len(taken)
            items = await self._load({record_id: page[record_id] for record_id in taken})
            self._free(len(page) - len(items))
            for record_id in page.keys() - {item.record_id for item in items}:
                self._tally.count_done(page[record_id])
            for item in items:
                yield item

    def finish(self, item: WorkItem) -> None:
        """Hand a record back: all that was made of it is written."""
        self._tally.report.records += 1
        self._finished.append(item.record_id)
        self._tally.count_done(item.partition)
        self._free(1)

    async def mark_running(self, connection: AsyncConnection, items: Sequence[WorkItem]) -> None:
        """Mark the planned steps of some records as taken by this run.

        People see what is worked on, and if the run dies, the next one sees it.
        """
        todo = [(item.record_id, step.name) for item in items for step in item.planned]
        await claims.mark_running(connection, todo, run_id=self._spec.run_id)

    # -- pages ----------------------------------------------------------------------------------

    async def _pages(self) -> AsyncIterator[dict[int, datetime]]:
        """Records to check: id and partition. A page is read when there is room for it."""
        next_page = self._due_page if self._spec.mode == "due" else self._all_page
        self._tally.report.expected = await self._expect()
        left = self._spec.max_records
        while left != 0:
            most = self._records_a_page
            room = await self._room(most if left is None else min(most, left))
            page = await next_page(room)
            self._free(room - len(page))
            if not page:
                return
            if left is not None:
                left -= len(page)
            yield page

    async def _room(self, at_most: int) -> int:
        """Take the slots that are free, at least one."""
        await self._slots.acquire()
        room = 1
        while room < at_most and not self._slots.locked():
            await self._slots.acquire()
            room += 1
        return room

    def _free(self, slots: int) -> None:
        for _ in range(slots):
            self._slots.release()

    async def _expect(self) -> int:
        """How many records there are to check; of each partition, in mode `all`."""
        spec = self._spec
        async with self._pool.connection() as connection:
            if spec.mode == "due":
                return await due.count_due(
                    connection, spec.window, spec.steps, at_most=spec.max_records
                )
            counts = await due.count_all(connection, spec.window, spec.starts)
        if spec.max_records is None:
            self._tally.left = {spec.starts[place]: count for place, count in counts.items()}
        return sum(counts.values())

    async def _due_page(self, limit: int) -> dict[int, datetime]:
        # Read again for each page, so that an urgent record which arrives now is next. What this
        # run has seen is left out: it may still look due because its outcome is being written.
        starts = self._spec.starts
        async with self._pool.connection() as connection:
            page = await due.due_records(
                connection,
                self._spec.window,
                self._spec.steps,
                limit=limit,
                without=self._seen,
                starts=starts,
            )
        self._seen += [record_id for record_id, _ in page]
        return {record_id: starts[place] for record_id, place in page}

    async def _all_page(self, limit: int) -> dict[int, datetime]:
        starts = self._spec.starts
        async with self._pool.connection() as connection:
            page = await due.all_records(
                connection, self._spec.window, limit=limit, after=self._after, starts=starts
            )
        if page:
            self._after = page[-1][:2]
        return {record_id: starts[place] for _, record_id, place in page}

    # -- records --------------------------------------------------------------------------------

    async def _load(self, partitions: Mapping[int, datetime]) -> list[WorkItem]:
        """Those of the records that have work, with what their steps need; marked as running."""
        ids = list(partitions)
        if not ids:
            return []
        async with self._pool.connection() as connection:
            entries = await claims.entries(connection, ids)
            limits = await pacing.owner_limits(connection, self._line.name, ids)
            sources = await self._line.load(connection, ids)
            items = [
                WorkItem(i, sources[i], entries[i], self._pacing(limits[i]), partitions[i])
                for i in ids
                if i in sources
            ]
            for item in items:
                item.planned = self._staleness.planned(item)
            await self._preload(connection, items)
            await self.mark_running(connection, [item for item in items if not item.is_suspect])
        return [item for item in items if not self._settle(item)]

    def _pacing(self, limits: OwnerLimits) -> Pacing:
        """The pacing of an owner, brought up to date."""
        owner = self._owners.setdefault(limits.owner_id, Pacing(limits))
        owner.update(limits)
        return owner

    def _settle(self, item: WorkItem) -> bool:
        """Count a record of which nothing is to be made; whether it is one."""
        if not self._staleness.is_settled(item):
            return False
        self._tally.report.records += 1
        for step in self._staleness.steps:
            self._tally.count_left_alone(step, item.partition, held=item.is_held(step))
        self._finished.append(item.record_id)
        return True

    async def _preload(self, connection: AsyncConnection, items: Sequence[WorkItem]) -> None:
        """Read the stored results that the planned steps are made from, one query a step."""
        takers: dict[str, list[WorkItem]] = {}
        for item in items:
            needs = {need for step in item.planned for need in step.needs}
            for need in needs - {step.name for step in item.planned}:
                takers.setdefault(need, []).append(item)
        for need, wanting in takers.items():
            ids = [item.record_id for item in wanting]
            results = await stored_results(connection, self._line, need, ids)
            for item in wanting:
                if item.record_id in results:  # or it was deleted a moment ago
                    item.results[need] = results[item.record_id]
