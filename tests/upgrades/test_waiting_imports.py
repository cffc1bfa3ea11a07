"""Imports that were accepted before they were jobs become jobs, and are taken in."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from keepsake.database import connect, migrate, migrations, open_pool
from keepsake.job_types import REGISTRY
from keepsake.jobs.listing import find_job
from keepsake.jobs.rows import Job
from keepsake.jobs.worker import Worker
from keepsake.owners.owners import add_owner
from keepsake.settings import Settings
from tests.databases import database_at

EXPORT = b"""<!DOCTYPE NETSCAPE-Bookmark-file-1><DL><p>
<DT><A HREF="https://example.org/a" ADD_DATE="1700000000">A</A></DL><p>"""


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    """URL of a database as it was before imports were jobs."""
    number = next(each.number for each in migrations() if each.name == "imports_are_jobs")
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("CREATE DATABASE waiting_imports")
        url = database_at(postgres_url, "waiting_imports")
        migrate(url, to=number - 1)
        yield url
        server.execute("DROP DATABASE waiting_imports WITH (FORCE)")


def test_a_file_that_waits_in_the_data_folder_is_taken_in(url: str, tmp_path: Path) -> None:
    settings = Settings.model_validate({"database_url": url, "keepsake_home": str(tmp_path)})
    (tmp_path / "imports").mkdir()
    (tmp_path / "imports" / "abc.html").write_bytes(EXPORT)
    with connect(url) as db:
        owner = add_owner(db, "Ada").id
        db.execute(
            "WITH batch AS (INSERT INTO batches (owner_id, line, name)"
            " VALUES (%s, 'bookmarks', 'mine.html') RETURNING id, owner_id)"
            " INSERT INTO accepted_imports (batch_id, owner_id, file)"
            " SELECT id, owner_id, 'abc.html' FROM batch",
            (owner,),
        )
        migrate(url)
        job = asyncio.run(finished(settings))
        assert (job.status, job.owner_id, job.result["created"]) == ("succeeded", owner, 1)
        assert db.execute("SELECT url FROM bookmarks").fetchall() == [("https://example.org/a",)]
        assert db.execute("SELECT taken_in_at IS NOT NULL FROM batches").fetchone() == (True,)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def finished(settings: Settings) -> Job:
    """The one job, once a worker has finished it."""
    worker = Worker(settings.database_url, REGISTRY, settings)
    async with open_pool(settings.database_url, size=1) as pool, pool.connection() as connection:
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(30):
            while (job := await find_job(connection, 1)).finished_at is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        worker.stop()
        await running
    return job
