"""What changes in the ledger and of jobs, told to the streams of this process as it happens.

One connection of its own listens (`LISTEN`), and every stream has a `Watch` in memory: the database
does not notice how many there are. A notification holds ids and states, and is not the only truth:
a watch that may have missed one is stale, and its stream reads the state. That is so when it
begins, when the connection had been lost, and when more has changed than it remembers; so a reader
that is slow, or away, costs no memory and loses nothing.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

import psycopg

from keepsake.database import open_connection
from keepsake.http.problems import Problem

STEPS, JOBS = "keepsake_steps", "keepsake_job_states"  # channels of the database's triggers
FOLLOWED = 1802857071  # an advisory lock; while it is shared, the triggers tell of jobs
LOOK_SECONDS = 1.0
ALL = "*"  # in place of an id: many have changed
MOST_CHANGES = 1_000  # that a watch remembers
MOST_STREAMS = 2_000  # of one process
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 10.0  # seconds between attempts to connect

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """That a step of a record, or a job, has another status.

    Attributes:
        id: of the record or the job.
        step: of the record. `*` is `deleted`: the record itself was. Of a job it is `job`.
        status: which it has now.
    """

    id: int
    step: str
    status: str


@dataclass(eq=False)
class Watch:
    """What one stream has still to tell.

    Attributes:
        id: of which record or job; None: of all of the owner.
        stale: whether the state is to be read: `changes` may not be all.
        changes: the last status of each step or job that has changed.
    """

    id: int | None
    stale: bool = True
    changes: dict[tuple[int, str], Change] = field(default_factory=dict)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, change: Change) -> None:
        """Remember a change that is of interest here."""
        if self.id not in (None, change.id):
            return
        if len(self.changes) < MOST_CHANGES:
            self.changes[change.id, change.step] = change
            self._woken.set()
        else:
            self.refresh()

    def refresh(self) -> None:
        """Have the state read."""
        self.changes.clear()
        self.stale = True
        self._woken.set()

    def end(self) -> None:
        """Let the stream end."""
        self._ended.set()
        self._woken.set()

    @property
    def ended(self) -> bool:
        """Whether the stream is to end."""
        return self._ended.is_set()

    def take(self) -> list[Change]:
        """The changes, which are then told; in the order of their first."""
        changes = list(self.changes.values())
        self.changes.clear()
        self.stale = False
        if not self.ended:
            self._woken.clear()
        return changes

    async def rest(self, seconds: float) -> None:
        """Wait so long, whatever happens, unless the process is about to end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)

    async def wait(self, seconds: float) -> None:
        """Wait for news, at most so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)


class Live:
    """The watches of this process, and what tells them."""

    def __init__(self) -> None:
        self._watches: dict[int, set[Watch]] = {}
        self._open = 0
        self._ended = False
        self.followed = asyncio.Event()  # while a stream is open

    def check_room(self) -> None:
        """Let one more stream open.

        Raises:
            Problem: there are as many as one process may have.
        """
        if self._open >= MOST_STREAMS:
            raise Problem(
                "too_many_requests",
                "too many streams are open here: try again later",
                headers={"Retry-After": "60"},
            )

    @contextmanager
    def watch(self, owner_id: int, only: int | None = None) -> Iterator[Watch]:
        """A watch for the length of the block: of a record or job, or of all of an owner."""
        watch = Watch(only)
        if self._ended:
            watch.end()
        of_owner = self._watches.setdefault(owner_id, set())
        of_owner.add(watch)
        self._open += 1
        self.followed.set()
        try:
            yield watch
        finally:
            self._open -= 1
            if not self._open:
                self.followed.clear()
            of_owner.discard(watch)
            if not of_owner and self._watches.get(owner_id) is of_owner:
                del self._watches[owner_id]

    def tell(self, payload: str) -> None:
        """Pass a notification on: lines of owner, id, step and status."""
        for line in payload.splitlines():
            owner, changed, step, status = line.split(" ")  # as the database's triggers write it
            for watch in self._watches.get(int(owner), ()):
                if changed == ALL:
                    watch.refresh()
                else:
                    watch.note(Change(int(changed), step, status))

    def refresh(self) -> None:
        """Have every stream read its state: some may have missed something."""
        for watch in self._all():
            watch.refresh()

    def end(self) -> None:
        """End all streams, and those that begin from now on: the process is about to."""
        self._ended = True
        for watch in self._all():
            watch.end()

    def _all(self) -> list[Watch]:
        return [watch for watches in self._watches.values() for watch in watches]


@asynccontextmanager
async def open_live(url: str) -> AsyncIterator[tuple[Live, Live]]:
    """The watches of steps and those of jobs, told of what happens while the block lasts."""
    steps, jobs = Live(), Live()
    tasks = [
        asyncio.create_task(_listen(url, {STEPS: steps, JOBS: jobs})),
        asyncio.create_task(_ask_for_jobs(url, jobs)),
    ]
    try:
        yield steps, jobs
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(url: str, told: Mapping[str, Live]) -> None:
    """Listen, and connect again whenever the connection is lost."""
    delay = _FIRST_DELAY
    while True:
        try:
            async with open_connection(url) as connection:
                for channel, live in told.items():
                    await connection.execute(f"LISTEN {channel}".encode())
                    live.refresh()
                delay = _FIRST_DELAY
                async for notification in connection.notifies():
                    told[notification.channel].tell(notification.payload)
        except (psycopg.Error, OSError) as error:
            log.warning("no live progress for now (%s)", type(error).__name__)
        await asyncio.sleep(delay)
        delay = min(2 * delay, _LONGEST_DELAY)


async def _ask_for_jobs(url: str, jobs: Live) -> None:
    """Have the database tell of jobs while somebody here follows some: each telling has its price.

    A change that was under way when that began is not told: the state is read once more.
    """
    while True:
        await jobs.followed.wait()
        with suppress(psycopg.Error, OSError):  # `_listen` says so
            async with open_connection(url) as connection:
                await connection.execute("SELECT pg_advisory_lock_shared(%s)", (FOLLOWED,))
                jobs.refresh()
                await asyncio.sleep(LOOK_SECONDS)
                jobs.refresh()
                while jobs.followed.is_set():
                    await connection.execute("SELECT")
                    await asyncio.sleep(LOOK_SECONDS)
        await asyncio.sleep(_FIRST_DELAY)
