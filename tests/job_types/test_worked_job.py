"""The worked example of docs/adding-a-job.md, run as it stands on its page."""

import asyncio
from types import ModuleType
from typing import Any

import pytest

from keepsake.database import Connection, connect, open_pool
from keepsake.errors import InvalidInput
from keepsake.jobs.listing import find_job
from keepsake.jobs.registry import JobType, Registry
from keepsake.jobs.submission import NewJob, submit
from keepsake.jobs.worker import Worker
from keepsake.settings import Settings
from tests.given import given_record
from tests.pages import ROOT, blocks
from tests.running.runner import new_runner

CODE = blocks(ROOT / "docs/adding-a-job.md", "python")[0]


@pytest.fixture
def count_words() -> JobType[Any]:
    module = ModuleType("keepsake.job_types.words")
    exec(compile(CODE, "words.py", "exec"), vars(module))
    found: JobType[Any] = module.count_words
    return found


def said(db: Connection, owner_id: int, text: str) -> None:
    record = given_record(db, line="family", owner_id=owner_id, external_id=text).record_id
    db.execute(
        "INSERT INTO transcripts (record_id, owner_id, text, segments, words, issues, raw)"
        " VALUES (%s, %s, %s, '[]', '[]', '[]', '[]')",
        (record, owner_id, text),
    )


async def test_the_example_counts_the_words_of_its_owner(
    database_url: str, count_words: JobType[Any]
) -> None:
    ada, ben = (new_runner(database_url, name).owner.id for name in ("Ada", "Ben"))
    with connect(database_url) as db:
        for owner_id, text in ((ada, "We sang."), (ada, "On the way home."), (ben, "Nothing.")):
            await asyncio.to_thread(said, db, owner_id, text)
    worker = Worker(database_url, Registry([count_words]), Settings.model_validate({}))
    async with open_pool(database_url, size=1) as pool, pool.connection() as connection:
        new = NewJob(count_words, {"page": 1}, owner_id=ada, tag="words")
        job_id = (await submit(connection, new)).id
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(20):
            while (job := await find_job(connection, job_id)).finished_at is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        worker.stop()
        await running
    assert (job.status, job.result) == ("succeeded", {"transcripts": 2, "words": 6})
    with pytest.raises(InvalidInput, match="page: Input should be less than or equal to 10000"):
        count_words.check({"page": 99_999})
