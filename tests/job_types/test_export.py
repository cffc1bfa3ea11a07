"""An owner's export as a job: made by a worker, downloaded, and gone with the job."""

import asyncio
from collections.abc import Iterator
from io import BytesIO
from zipfile import ZipFile

import pytest

from keepsake.clients.objects import open_objects
from keepsake.database import open_pool
from keepsake.job_types.export import export_owner
from keepsake.jobs.attempts import claim
from keepsake.jobs.context import JobContext
from keepsake.jobs.control import cancel
from keepsake.jobs.registry import JobData
from keepsake.jobs.rows import Job, JobLost
from keepsake.jobs.submission import NewJob, submit
from keepsake.jobs.upkeep import remove_old
from keepsake.records.deletion import sweep
from tests.api.conftest import Door, open_door
from tests.databases import Copies
from tests.job_types.running import done


@pytest.fixture(scope="module")
def door(_copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A server with two families, each of which has said something."""
    with (
        _copies.one() as url,
        open_door(url, tmp_path_factory.mktemp("home")) as opened,
    ):
        for family, member, text in (
            ("the-marlows", "Rose", "We walked home over the ice."),
            ("the-others", "Otto", "Nobody else may read this."),
        ):
            client = opened.client(owner=family)
            said = {"member": member, "text": text, "recorded_at": "2026-10-04T19:30Z"}
            client.post("/api/responses", json=said).raise_for_status()
        yield opened


def export(door: Door) -> Job:
    """The job of an export of the Marlows, once it is done."""

    async def run() -> Job:
        async with open_pool(door.settings.database_url, size=2) as pool:
            return await done(pool, door.settings, "export_owner", owner=door.marlows.id)

    return asyncio.run(run())


def test_the_archive_is_downloaded_whole_or_in_part(door: Door) -> None:
    job, rose = export(door), door.client()
    assert job.status == "succeeded"
    [listed] = rose.get("/api/owners/the-marlows/exports").json()["exports"]
    assert (listed["id"], listed["size_bytes"]) == (job.id, job.result["size_bytes"])
    assert (job.result["records"], job.result["missing"]) == (1, 0)
    at = f"/api/owners/the-marlows/exports/{job.id}"
    whole, begin = rose.get(at), rose.get(at, headers={"Range": "bytes=0-99"})
    assert whole.headers["Content-Disposition"] == 'attachment; filename="the-marlows.zip"'
    assert (begin.status_code, begin.content) == (206, whole.content[:100])
    with ZipFile(BytesIO(whole.content)) as archive:
        told = b"".join(archive.read(name) for name in archive.namelist())
    assert b"over the ice" in told
    assert b"Nobody else" not in told
    assert not list(door.settings.incoming_folder.glob("*"))


@pytest.mark.parametrize("permission", ["read", "ingest", "edit"])
def test_only_who_manages_the_owner_downloads_it(door: Door, permission: str) -> None:
    job = export(door)
    at = f"/api/owners/the-marlows/exports/{job.id}"
    assert door.client(permission).get(at).status_code == 403


def test_anothers_export_is_answered_like_none(door: Door) -> None:
    job, otto = export(door), door.client(owner="the-others")
    theirs = otto.get(f"/api/owners/the-others/exports/{job.id}")
    none = otto.get(f"/api/owners/the-others/exports/{10**9}")
    assert theirs.status_code == none.status_code == 404
    assert theirs.json()["detail"].replace(str(job.id), "") == none.json()["detail"].replace(
        str(10**9), ""
    )
    assert otto.get("/api/owners/the-others/exports").json() == {"exports": []}


def test_the_archive_goes_with_its_job(door: Door) -> None:
    job, rose = export(door), door.client()

    async def remove() -> None:
        async with open_pool(door.settings.database_url, size=1) as pool:
            await remove_old(pool)

    door.db.execute("UPDATE jobs SET remove_at = now() WHERE id = %s", (job.id,))
    asyncio.run(remove())
    assert rose.get(f"/api/owners/the-marlows/exports/{job.id}").status_code == 404
    [(key,)] = door.db.execute("SELECT key FROM loose_objects").fetchall()
    stored = door.settings.objects_folder / key
    assert stored.exists()
    asyncio.run(sweep(door.db, open_objects(door.settings)))
    assert not stored.exists()


def test_a_job_that_was_removed_by_hand_leaves_no_archive_either(door: Door) -> None:
    job = export(door)
    door.db.execute("DELETE FROM jobs WHERE id = %s", (job.id,))
    assert asyncio.run(sweep(door.db, open_objects(door.settings))).deleted == 1


def test_an_export_that_is_cancelled_leaves_no_archive(door: Door) -> None:
    async def begin_and_cancel() -> None:
        async with open_pool(door.settings.database_url, size=2) as pool:
            async with pool.connection() as connection:
                await submit(connection, NewJob(export_owner, owner_id=door.marlows.id))
                (job,) = await claim(connection, 7, [export_owner.name])
                await cancel(connection, job.id)
            context = JobContext(job.fence, job.owner_id, None, None, pool, door.settings)
            await export_owner.run(context, JobData())

    with pytest.raises(JobLost):
        asyncio.run(begin_and_cancel())
    assert not list(door.settings.incoming_folder.glob("*"))
    archives = list(door.settings.objects_folder.rglob("*.zip"))
    assert len(archives) == len(door.db.execute("SELECT FROM job_files").fetchall())
