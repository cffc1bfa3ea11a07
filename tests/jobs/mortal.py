"""A worker that may be killed at any moment: `python -m tests.jobs.mortal URL`."""

import asyncio
import random
import sys

from keepsake.errors import RetryableError
from keepsake.jobs import worker
from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import Registry, Retry, job
from keepsake.jobs.submission import NewJob
from keepsake.settings import Settings
from tests.jobs.greetings import Greeting

OFTEN = Retry(attempts=50, min_seconds=0, max_seconds=0.1)


@job("note", Greeting, description="Notes once that it ran.", retry=OFTEN)
async def note(context: JobContext, data: Greeting) -> None:
    await context.check_cancelled()
    await asyncio.sleep(random.uniform(0, 0.03))
    if random.random() < 0.1:
        raise RetryableError("not this time")
    async with context.transaction() as connection:
        await connection.execute(
            "INSERT INTO public.notes VALUES (%s, clock_timestamp()) ON CONFLICT DO NOTHING",
            (context.fence.job_id,),
        )
        await asyncio.sleep(random.uniform(0, 0.01))


@job("pair", Greeting, description="Has a child.", retry=OFTEN)
async def pair(context: JobContext, data: Greeting) -> None:
    await context.submit(NewJob(note, tag=f"child of {context.fence.job_id}"))
    await asyncio.sleep(random.uniform(0, 0.03))


@job(
    "alone",
    Greeting,
    description="Runs alone.",
    retry=OFTEN,
    concurrency_key=lambda owner_id, data: data.name,
)
async def alone(context: JobContext, data: Greeting) -> None:
    await asyncio.sleep(random.uniform(0, 0.02))


TYPES = (note, pair, alone)

if __name__ == "__main__":
    worker.RECONCILE_SECONDS = 0.5
    worker.GRACE_SECONDS = 0.2
    asyncio.run(worker.run_worker(sys.argv[1], Registry(TYPES), Settings.model_validate({})))
