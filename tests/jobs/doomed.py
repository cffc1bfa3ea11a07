"""A worker whose jobs never end: `python -m tests.jobs.doomed URL`, to be killed."""

import asyncio
import sys

from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import Registry, job
from keepsake.jobs.worker import run_worker
from keepsake.settings import Settings
from tests.jobs.greetings import Greeting


@job("greet", Greeting, description="Says nothing.")
async def say_nothing(context: JobContext, data: Greeting) -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run_worker(sys.argv[1], Registry([say_nothing]), Settings.model_validate({})))
