"""The monitor: what is measured, kept and judged all the time, in the process of the worker.

However many workers there are, one of them monitors: it holds a lock while it does. What it does is
in the modules that `DUTIES` names.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial

import psycopg

from keepsake.database import AsyncConnection, Pool, open_connection, open_pool
from keepsake.monitoring.alerts.delivery import deliver_messages, notify, tell_alertmanager
from keepsake.monitoring.alerts.evaluation import evaluate
from keepsake.monitoring.alerts.rules import install
from keepsake.monitoring.probes import PROBES, Probe, carry_out, is_due
from keepsake.monitoring.snapshots import keep_snapshots
from keepsake.settings import Settings

log = logging.getLogger(__name__)

Duty = Callable[[Pool, Settings], Awaitable[None]]

LOOK_SECONDS = 5.0  # between two looks whether the lock is free, or still ours
_LOCK = 0x6B6D6F6E  # "kmon"
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)


async def _keep_snapshots(pool: Pool, _settings: Settings) -> None:
    async with pool.connection() as connection:
        await keep_snapshots(connection)


def _look_at(probe: Probe) -> Duty:
    async def look(pool: Pool, settings: Settings) -> None:
        async with pool.connection() as connection:
            due = await is_due(connection, probe)
        if due:
            await carry_out(pool, probe, settings)

    look.__name__ = f"probe {probe.name}"
    return look


def _judge(*, urgent: bool, settled_at: float) -> Duty:
    async def judge(pool: Pool, settings: Settings) -> None:
        tell = partial(notify, settings=settings)
        settling = time.monotonic() < settled_at
        async with pool.connection() as connection:
            await evaluate(connection, tell, urgent=urgent, settling=settling)

    return judge


# Each with the seconds from the end of one round to the beginning of the next. None waits for
# another: what takes long to measure does not hold up an alert. Whether a probe is due is looked at
# more often than it is.
DUTIES: tuple[tuple[float, Duty], ...] = (
    (15.0, _keep_snapshots),
    (5.0, deliver_messages),
    (30.0, tell_alertmanager),
    *((2.0, _look_at(probe)) for probe in PROBES.values()),
)
URGENT_SECONDS, OTHERS_SECONDS = 5.0, 60.0  # between rounds in which rules are judged
SETTLE_SECONDS = 120.0  # for what starts along with us: until then it is not missed


async def run_monitor(
    url: str,
    settings: Settings,
    stop: asyncio.Event,
    *,
    settle_seconds: float = SETTLE_SECONDS,
) -> None:
    """Monitor until `stop`, while no other process does. It waits for a database that is away."""
    while not stop.is_set():
        try:
            async with open_connection(url) as lock:
                if await _try_lock(lock):
                    await _monitor(url, settings, lock, stop, settle_seconds)
        except _AWAY as error:
            log.warning("the monitor has no database: %s", type(error).__name__)
        await _pause(stop, LOOK_SECONDS)


async def _try_lock(connection: AsyncConnection) -> bool:
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,))
    ((taken,),) = await cursor.fetchall()
    return bool(taken)


async def _monitor(
    url: str,
    settings: Settings,
    lock: AsyncConnection,
    stop: asyncio.Event,
    settle_seconds: float,
) -> None:
    """Do all duties until `stop`, or until the connection is lost that holds the lock."""
    await install(lock)
    settled_at = time.monotonic() + settle_seconds
    duties = (
        *DUTIES,
        (URGENT_SECONDS, _judge(urgent=True, settled_at=settled_at)),
        (OTHERS_SECONDS, _judge(urgent=False, settled_at=settled_at)),
    )
    async with open_pool(url, size=4) as pool:
        tasks = [
            asyncio.create_task(_repeat(seconds, duty, pool, settings)) for seconds, duty in duties
        ]
        try:
            while not stop.is_set():
                await lock.execute("SELECT")
                await _pause(stop, LOOK_SECONDS)
        finally:
            await _end(tasks)


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: before Python 3.12 `wait_for` may swallow a cancellation."""
    living = set(tasks)
    while living:
        for task in living:
            task.cancel()
        _, living = await asyncio.wait(living, timeout=1.0)


async def _repeat(seconds: float, duty: Duty, pool: Pool, settings: Settings) -> None:
    while True:
        try:
            await duty(pool, settings)
        except Exception as error:  # the next time may go well, and the other duties go on
            log.warning("monitor, %s: %s", duty.__name__.strip("_"), type(error).__name__)
        await asyncio.sleep(seconds)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
