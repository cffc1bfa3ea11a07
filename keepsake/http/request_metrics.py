"""Counting requests: in memory, and every ten seconds added to the totals in the database.

Every process of the API adds its own. What an address holds is not counted by: its route's pattern
is.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg_pool import PoolTimeout
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keepsake.database import Pool
from keepsake.metrics.counts import Counts
from keepsake.metrics.totals import add

FLUSH_SECONDS = 10.0
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"  # methods that are none of these, and addresses that no route has

_log = logging.getLogger(__name__)


class RequestCounts:
    """What was counted since the last flush."""

    def __init__(self) -> None:
        self._counts = Counts()

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request, of which the answer began after so many seconds."""
        method = scope["method"] if scope["method"] in METHODS else OTHER
        route = _route(scope)
        self._counts.count(
            "keepsake_http_requests_total", method=method, route=route, status=str(status)
        )
        self._counts.observe("keepsake_http_request_duration_seconds", seconds, route=route)

    async def flush(self, pool: Pool) -> None:
        """Add to the totals what was counted. Where that fails, it is kept for the next time."""
        taken, self._counts = self._counts, Counts()
        try:
            async with pool.connection() as connection, connection.transaction():
                await add(connection, taken)
        except (psycopg.Error, PoolTimeout) as error:
            taken.merge(self._counts)
            self._counts = taken
            _log.warning("could not add up requests (%s); later again", type(error).__name__)


def _route(scope: Scope) -> str:
    """The pattern of the route that answered; of files, which have none, where they are mounted."""
    pattern = getattr(scope.get("route"), "path_format", None)
    return pattern or scope.get("root_path") or OTHER


@asynccontextmanager
async def flushing(counts: RequestCounts, pool: Pool) -> AsyncIterator[None]:
    """Flush every ten seconds while the block lasts, and at its end."""
    ended = asyncio.Event()

    async def flush_on() -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), FLUSH_SECONDS)
            await counts.flush(pool)

    task = asyncio.create_task(flush_on())
    try:
        yield
    finally:
        ended.set()
        await task


class RequestMetricsMiddleware:
    """Count each request when its answer begins."""

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._counts.count(scope, message["status"], time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, watched)
