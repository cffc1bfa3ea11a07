"""What tests of types of jobs share: real workers that run them."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keepsake.database import Pool
from keepsake.job_types import REGISTRY
from keepsake.jobs.listing import find_job
from keepsake.jobs.rows import Job
from keepsake.jobs.submission import NewJob, submit
from keepsake.jobs.worker import Worker
from keepsake.settings import Settings


async def done(
    pool: Pool, settings: Settings, name: str, data: Any = None, *, owner: int | None = None
) -> Job:
    """A job of that type, once a worker has finished it."""
    new = NewJob(REGISTRY.find(name), data or {}, owner_id=owner)
    async with pool.connection() as connection:
        job_id = (await submit(connection, new)).id
        worker = Worker(settings.database_url, REGISTRY, settings)
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(30):
            while (job := await find_job(connection, job_id)).finished_at is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        worker.stop()
        await running
    return job


@contextmanager
def working(settings: Settings) -> Iterator[None]:
    """Have a worker beside the test, in a thread of its own, for the length of the block."""
    worker = Worker(settings.database_url, REGISTRY, settings)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(worker.run(),))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(worker.stop)
        thread.join()
        loop.close()
