"""What tests of types of jobs share: a job, run by a real worker."""

import asyncio
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
