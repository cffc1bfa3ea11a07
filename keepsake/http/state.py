"""What the process of the API holds for its life: settings, pools, the object store, the models."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Concatenate, ParamSpec, TypeVar

from fastapi import Depends
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from keepsake.clients.objects import ObjectStore, open_objects
from keepsake.clients.query_embeddings import QueryEmbeddings, open_query_embeddings
from keepsake.database import (
    Connection,
    Pool,
    as_owner,
    database_url,
    open_blocking_pool,
    open_pool,
)
from keepsake.http.live import Live, open_live
from keepsake.http.rate_limits import RateLimits
from keepsake.jobs.registry import Registry
from keepsake.monitoring.exposition import Scraper
from keepsake.settings import Settings
from keepsake.worker_pool import WorkerPool, open_worker_pool

P = ParamSpec("P")
T = TypeVar("T")
POOL_WAIT = 5  # seconds for a connection; then a caller is told to come again
POOL_SIZE = 8  # connections for what is asynchronous, and as many for what is not


@dataclass(frozen=True)
class State:
    """What every request may use.

    Attributes:
        settings: in force.
        url: of the database, for a connection of one's own: LISTEN.
        pool: connections; `owner_transaction(pool, ...)` before anything of an owner.
        blocking: connections for code that is not asynchronous: `call_as` uses them.
        objects: the object store.
        embeddings: the model that searches ask.
        live: tells streams what changes in the ledger.
        live_jobs: tells streams what changes of jobs; those of the system are of owner 0.
        workers: processes in which other people's files are read.
        limits: how much was asked, and by whom.
        registry: the types of jobs that may be submitted.
        scraper: gives the figures to whoever monitors.
        under_way: requests that this process is working on, by owner and Idempotency-Key.
    """

    settings: Settings
    url: str
    pool: Pool
    blocking: "ConnectionPool[Connection]"
    objects: ObjectStore
    embeddings: QueryEmbeddings
    live: Live
    live_jobs: Live
    workers: WorkerPool
    limits: RateLimits
    registry: Registry
    scraper: Scraper
    under_way: set[tuple[int | None, str]] = field(default_factory=set)

    async def call_as(
        self,
        owner_id: int | None,
        function: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **named: P.kwargs,
    ) -> T:
        """What a function of the library returns, called in a thread and a transaction as an owner.

        Args:
            owner_id: who is acted for; None: nobody, so that only what all share is seen.
            function: takes a connection first.
            *args: what else it takes.
            **named: the same by name.
        """

        def call() -> T:
            with self.blocking.connection() as connection, as_owner(connection, owner_id):
                return function(connection, *args, **named)

        return await run_in_threadpool(call)

    async def call(
        self,
        function: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **named: P.kwargs,
    ) -> T:
        """The same over all owners: for accounts, which say who may act for whom."""

        def call() -> T:
            with self.blocking.connection() as connection, connection.transaction():
                return function(connection, *args, **named)

        return await run_in_threadpool(call)


@asynccontextmanager
async def open_state(settings: Settings, registry: Registry) -> AsyncIterator[State]:
    """The state, closed at the end of the block. `registry` has the types of jobs.

    Raises:
        DatabaseError: there is no database.
        psycopg_pool.PoolTimeout: it does not answer.
    """
    url = await run_in_threadpool(database_url, settings)
    async with (
        open_pool(url, size=POOL_SIZE, wait=POOL_WAIT) as pool,
        open_query_embeddings(settings) as embeddings,
        open_worker_pool(settings, processes=1) as workers,
        open_live(url) as (live, live_jobs),
    ):
        with open_blocking_pool(url, size=POOL_SIZE, wait=POOL_WAIT) as blocking:
            objects, limits = open_objects(settings), RateLimits(pool)
            yield State(
                settings=settings,
                url=url,
                pool=pool,
                blocking=blocking,
                objects=objects,
                embeddings=embeddings,
                live=live,
                live_jobs=live_jobs,
                workers=workers,
                limits=limits,
                registry=registry,
                scraper=Scraper(pool),
            )


def state_of(asked: HTTPConnection) -> State:
    """The state of the process that answers this request or websocket."""
    state: State = asked.app.state.keepsake
    return state


async def _state(asked: HTTPConnection) -> State:
    return state_of(asked)  # asynchronous: FastAPI calls what is not in a thread


ForState = Annotated[State, Depends(_state)]
"""The state, for routes that need no caller."""
