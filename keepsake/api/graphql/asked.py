"""An operation under way: who asks, and what is read for several of its fields together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from strawberry.dataloader import DataLoader

from keepsake.accounts.principal import Principal
from keepsake.database import AsyncConnection
from keepsake.http.jobs import Reach, reach_of
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
        turn: fields are resolved side by side, and read one after the other: an operation has one
            connection at a time.
    """

    def __init__(self, state: State, caller: Principal) -> None:
        self.state, self.caller = state, caller
        self.attempts: DataLoader[Job, list[Attempt]] = DataLoader(
            lambda jobs: self._of_each(jobs, attempts_of), cache_key_fn=_id
        )
        self.children: DataLoader[Job, list[Job]] = DataLoader(
            lambda jobs: self._of_each(jobs, children_of), cache_key_fn=_id
        )
        self.turn = asyncio.Lock()
        self._ended = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be said."""
        return self._ended.is_set()

    def end(self) -> None:
        """Let a subscription end."""
        self._ended.set()

    async def rest(self, seconds: float) -> None:
        """Wait so long, unless it ends, and forget what was read before."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)
        self.attempts.clear_all()
        self.children.clear_all()

    async def reach(self, owner: str | None) -> Reach:
        """The jobs of the owner of that short name; see `reach_of`."""
        async with self.turn:
            return await reach_of(self.state, self.caller, owner)

    async def _of_each(
        self,
        jobs: Sequence[Job],
        read: Callable[[AsyncConnection, Sequence[int]], Awaitable[Mapping[int, list[T]]]],
    ) -> list[list[T]]:
        """What belongs to each of these jobs, which their caller sees."""
        found: dict[int, list[T]] = {}
        by_owner: dict[int | None, list[int]] = {}
        for job in jobs:
            by_owner.setdefault(None if self.caller.operator else job.owner_id, []).append(job.id)
        for owner_id, ids in by_owner.items():
            reach = Reach(self.state, self.caller, owner_id)
            async with self.turn, reach.transaction() as connection:
                found |= await read(connection, ids)
        return [found.get(job.id, []) for job in jobs]


def _id(job: Job) -> int:
    return job.id
