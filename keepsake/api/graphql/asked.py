"""An operation under way: who asks, and what is read for several of its fields together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from strawberry.dataloader import DataLoader

from keepsake.accounts.principal import Principal
from keepsake.database import AsyncConnection, owner_transaction
from keepsake.http.live import Watch
from keepsake.http.state import State
from keepsake.jobs.listing import attempts_of, children_of
from keepsake.jobs.rows import Attempt, Job

T = TypeVar("T")


class Asked:
    """What the resolvers of an operation share.

    Attributes:
        state: of the process.
        caller: who asks.
        attempts, children: of a job, read for all jobs of a list at once.
        watch: of what a subscription follows.
        ended: whether nothing more is to be said.
    """

    watch: Watch | None = None
    ended = False

    def __init__(self, state: State, caller: Principal) -> None:
        self.state, self.caller = state, caller
        self.attempts: DataLoader[Job, list[Attempt]] = DataLoader(
            lambda jobs: self._of_each(jobs, attempts_of), cache_key_fn=_id
        )
        self.children: DataLoader[Job, list[Job]] = DataLoader(
            lambda jobs: self._of_each(jobs, children_of), cache_key_fn=_id
        )
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[State]:
        """The state, for one resolver after the other: an operation takes one connection."""
        async with self._turn:
            yield self.state

    def end(self) -> None:
        """Let a subscription end."""
        self.ended = True
        if self.watch is not None:
            self.watch.end()

    async def _of_each(
        self,
        jobs: Sequence[Job],
        read: Callable[[AsyncConnection, Sequence[int]], Awaitable[Mapping[int, list[T]]]],
    ) -> list[list[T]]:
        """What belongs to each of these jobs, which their caller may see."""
        found: dict[int, list[T]] = {}
        for owner_id in {job.owner_id for job in jobs}:
            ids = [job.id for job in jobs if job.owner_id == owner_id]
            async with self.turn() as state, _rows_of(state, owner_id) as connection:
                found |= await read(connection, ids)
        return [found.get(job.id, []) for job in jobs]


@asynccontextmanager
async def _rows_of(state: State, owner_id: int | None) -> AsyncIterator[AsyncConnection]:
    """A transaction that sees an owner's rows; None: those of the system, which operators see."""
    if owner_id is not None:
        async with owner_transaction(state.pool, owner_id) as connection:
            yield connection
    else:
        async with state.pool.connection() as connection:
            yield connection


def _id(job: Job) -> int:
    return job.id
