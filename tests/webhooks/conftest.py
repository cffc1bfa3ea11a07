"""Two owners, a receiver on loopback, and a worker that posts to it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from standardwebhooks import Webhook
from starlette.requests import Request
from starlette.responses import Response

from keepsake.database import AsyncConnection, Pool, open_pool, owner_transaction
from keepsake.job_types import REGISTRY
from keepsake.jobs.rows import wake_workers
from keepsake.jobs.worker import Worker
from keepsake.settings import Settings
from keepsake.webhooks.deliveries import ping
from keepsake.webhooks.endpoints import Endpoint, NewEndpoint, add_endpoint
from tests.doubles.server import Double, Seen, serving
from tests.jobs.greetings import column, row, until

ADA, BEN = 1, 2  # owners


class Receiver(Double):
    """Takes every message, unless told otherwise."""

    async def answer(self, request: Request) -> Response:
        return Response(status_code=204)


@dataclass
class Hooks:
    """What tests of webhooks work with.

    Attributes:
        pool, db: connections that see everything.
        receiver: what is at `url`.
        settings: which allow it, although it is on loopback.
    """

    pool: Pool
    db: AsyncConnection
    receiver: Receiver
    url: str
    settings: Settings

    async def add(self, owner_id: int = ADA, **new: Any) -> tuple[str, Endpoint]:
        """A secret, and the endpoint at the receiver that has it."""
        given = NewEndpoint(**{"url": self.url, **new})
        async with owner_transaction(self.pool, owner_id) as connection:
            return await add_endpoint(connection, self.settings, None, owner_id, given)

    async def ping(self, endpoint: Endpoint, owner_id: int = ADA) -> int:
        """The id of a job that sends a ping."""
        async with owner_transaction(self.pool, owner_id) as connection:
            return await ping(connection, None, owner_id, endpoint.id)

    async def tell(self, event: str = "record.added", **about: int) -> list[int]:
        """Ids of the jobs that tell of an event of Ada's."""
        return await column(
            self.db,
            "SELECT tell_webhooks(%s, %s, (SELECT coalesce(jsonb_object_agg(key, value), '{}')"
            " FROM unnest(%s::text[], %s::int[]) AS of(key, value)))",
            ADA, event, list(about), list(about.values()),
        )  # fmt: skip

    async def attempted(self, job_id: int, times: int = 1) -> dict[str, Any]:
        """The row of a job after so many attempts have ended."""
        async with self.pool.connection() as connection:
            await connection.execute("UPDATE jobs SET due_at = now() WHERE id = %s", (job_id,))
            await wake_workers(connection)
        await until(
            self.pool, f"SELECT count(*) >= {times} FROM job_attempts WHERE job_id = {job_id}"
        )
        return await row(self.db, job_id)

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """The events that were told, in order, and what was said of each."""
        cursor = await self.db.execute(
            "SELECT data ->> 'event', (data ->> 'body')::jsonb -> 'data' FROM jobs"
            " WHERE type = 'send_webhook' ORDER BY id"
        )
        return await cursor.fetchall()


@pytest.fixture(scope="module")
def _served() -> Iterator[tuple[Receiver, str]]:
    receiver = Receiver()
    with serving(receiver) as url:
        yield receiver, url


@pytest.fixture
async def hooks(database_url: str, _served: tuple[Receiver, str]) -> AsyncIterator[Hooks]:
    """A receiver, and a database with the owners Ada and Ben."""
    receiver, url = _served
    receiver.seen.clear()
    settings = Settings.model_validate({"web_allow": "127.0.0.1"})
    async with open_pool(database_url, size=8) as pool, pool.connection() as db:
        await db.execute("INSERT INTO owners (slug, name) VALUES ('ada', 'Ada'), ('ben', 'Ben')")
        yield Hooks(pool, db, receiver, f"{url}/hook?token=1", settings)


@pytest.fixture
async def worker(hooks: Hooks, database_url: str) -> AsyncIterator[Worker]:
    """A worker that runs all types of jobs, beside a test."""
    worker = Worker(database_url, REGISTRY, hooks.settings)
    running = asyncio.create_task(worker.run())
    yield worker
    worker.stop()
    async with asyncio.timeout(20):
        await running


def verified(seen: Seen, secret: str) -> Any:
    """What a receiver reads that checks signatures with a library."""
    return Webhook(secret).verify(seen.body, dict(seen.headers))
