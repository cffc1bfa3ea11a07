"""What a test begins with: records as they are when they have just been added.

And how a test that is not asynchronous calls what is: `on_connection` and `in_pool` do so in a
thread of their own, so that a test on an event loop may use them as well.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from keepsake.database import AsyncConnection, Connection, Pool, open_pool
from keepsake.records.adding import Added, NewRecord, add_records
from keepsake.settings import StepSettings

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
P = ParamSpec("P")
T = TypeVar("T")


def on_connection(
    db: Connection,
    function: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
    *args: P.args,
    **named: P.kwargs,
) -> T:
    """The result of `function`, called in a transaction of a connection to the same database."""

    async def call() -> T:
        url = make_conninfo(db.info.dsn, password=db.info.password)
        async with (
            await psycopg.AsyncConnection.connect(url) as connection,
            connection.transaction(),
        ):
            return await function(connection, *args, **named)

    return _in_thread(call())


def in_pool(url: str, work: Callable[[Pool], Awaitable[T]]) -> T:
    """The result of `work`, called with a pool of connections."""

    async def call() -> T:
        async with open_pool(url, size=2) as pool:
            return await work(pool)

    return _in_thread(call())


def _in_thread(call: Coroutine[Any, Any, T]) -> T:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, call).result()


def given_records(
    db: Connection,
    *new: NewRecord,
    line: str,
    owner_id: int,
    settings: StepSettings | None = None,
) -> list[Added]:
    """Add records of any line, without rows in a table of the line's own."""
    steps = settings or StepSettings.model_validate({})
    return on_connection(db, add_records, steps, line=line, owner_id=owner_id, rows=new)


def given_record(
    db: Connection,
    settings: StepSettings | None = None,
    *,
    line: str,
    owner_id: int,
    external_id: str,
    recorded_at: datetime = NOON,
    content_hash: str = "",
    priority: int = 0,
) -> Added:
    """Add one; see `given_records`."""
    new = NewRecord(external_id, recorded_at, content_hash, priority)
    (added,) = given_records(db, new, line=line, owner_id=owner_id, settings=settings)
    return added
