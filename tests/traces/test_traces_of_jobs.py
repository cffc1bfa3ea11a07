"""A worker traces each attempt at a job, and what is done in it is within."""

import asyncio

from keepsake.database import Pool
from keepsake.errors import RetryableError
from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import JobType, Registry, Retry
from keepsake.jobs.worker import Worker
from keepsake.settings import Settings
from keepsake.traces.spans import exported, span
from tests.jobs.conftest import pool as pool
from tests.jobs.greetings import Greeting, given, until

from .conftest import At


async def test_each_attempt_is_a_span_with_its_job(database_url: str, pool: Pool, at: At) -> None:
    async def run(context: JobContext, data: Greeting) -> str:
        with span("inside"):
            if context.fence.attempt == 1:
                raise RetryableError("zebra")
            return "zebra"

    twice = Retry(attempts=2, min_seconds=0, max_seconds=0)
    kind = JobType("greet", Greeting, "Greets.", run, retry=twice)
    async with pool.connection() as connection:
        job_id = await given(connection, type=kind, owner_id=1, data={"name": "zebra"})
    worker = Worker(database_url, Registry([kind]), Settings.model_validate({}))
    with exported(at.receiver, "worker"):
        working = asyncio.create_task(worker.run())
        await until(pool, f"SELECT finished_at IS NOT NULL FROM jobs WHERE id = {job_id}")
        worker.stop()
        await working
    failed, succeeded = (at.double.one("job greet", attempt=n) for n in (1, 2))
    assert failed.attributes == {
        "keepsake.job.id": job_id,
        "keepsake.job.type": "greet",
        "keepsake.attempt": 1,
        "keepsake.outcome": "failed",
        "error.type": "RetryableError",
    }
    assert (failed.kind, failed.failed, succeeded.failed) == ("CONSUMER", True, False)
    assert succeeded.attributes["keepsake.outcome"] == "succeeded"
    assert {s.parent for s in at.double.named("inside")} == {failed.id, succeeded.id}
    assert b"zebra" not in b"".join(seen.body for seen in at.double.seen)
