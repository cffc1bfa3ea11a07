"""Activities and files of bookmarks come in; archives are taken in behind their request."""

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from keepsake.api.app import create_app
from keepsake.bookmarks.imports import import_bookmarks
from keepsake.database import Pool
from keepsake.job_types.imports import ingest_history
from keepsake.jobs.attempts import claim
from keepsake.jobs.control import cancel, retry
from keepsake.jobs.rows import JobLost, hold
from keepsake.jobs.submission import NewJob, submit
from keepsake.owners.owners import find_owner
from keepsake.records.batches import reopen_batch
from keepsake.settings import Settings
from tests.acceptance.parts import eventually
from tests.api.conftest import Door, open_door
from tests.api.serving import serving
from tests.given import in_pool, on_connection
from tests.job_types.running import working
from tests.running.journal import archive, gpx
from tests.stores import new_bucket, s3_settings

KEY = {"Idempotency-Key": "a-key-of-mine"}
EXPORT = b"""<!DOCTYPE NETSCAPE-Bookmark-file-1><DL><p>
<DT><A HREF="https://example.org/a" ADD_DATE="1700000000">A</A>
<DT><A HREF="https://example.org/b" ADD_DATE="1700000001">B</A>
</DL><p>"""


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is not the server's."""
    return tmp_path_factory.mktemp("elsewhere")


def run_jobs(door: Door) -> None:
    """Have a worker end all jobs."""
    with working(door.settings):
        deadline = time.monotonic() + 30
        while door.db.execute("SELECT FROM jobs WHERE finished_at IS NULL").rowcount:
            assert time.monotonic() < deadline, "a job does not end"
            time.sleep(0.02)


def taken_in(door: Door, batch_id: int) -> dict[str, Any]:
    """The counts of a batch, once its job has ended."""
    run_jobs(door)
    row = door.db.execute(
        "SELECT created, duplicates, rejected, taken_in_at IS NOT NULL FROM batches WHERE id = %s",
        (batch_id,),
    ).fetchone()
    assert row is not None
    return dict(zip(("created", "duplicates", "rejected", "over"), row, strict=True))


def waiting_files(door: Door) -> list[Path]:
    """The files that wait to be taken in, in the object store and in the data folder."""
    found = [*door.settings.objects_folder.glob("imports/**/*"), *door.settings.home.glob("i*/*")]
    return [path for path in found if path.is_file()]


@pytest.mark.parametrize("way", ["body", "form"])
def test_an_activity_comes_in_once(door: Door, rose: httpx.Client, way: str) -> None:
    def send() -> httpx.Response:
        if way == "body":
            params = {"file_name": "run.gpx", "title": "Evening run"}
            return rose.post("/api/activities", params=params, content=gpx())
        form = {"title": "Evening run"}
        return rose.post("/api/activities", data=form, files={"file": ("run.gpx", gpx())})

    first, again = send(), send()
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert first.json()["others"] == []
    stored = door.db.execute("SELECT file_name, title FROM activity_files").fetchall()
    assert stored == [("run.gpx", "Evening run")]
    assert list(door.settings.incoming_folder.iterdir()) == []


def test_an_activity_with_a_key_is_answered_alike(rose: httpx.Client) -> None:
    first, again, other = (
        rose.post("/api/activities", content=content, headers=KEY)
        for content in (gpx(), gpx(), gpx(minutes=3))
    )
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == again.json()


def test_what_is_no_activity_is_told_so(door: Door, rose: httpx.Client) -> None:
    answer = rose.post("/api/activities", content=b"no run")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert door.db.execute("SELECT count(*) FROM records").fetchone() == (0,)


def test_an_archive_becomes_a_batch(door: Door, rose: httpx.Client, elsewhere: Path) -> None:
    runs = {"a.gpx": gpx(), "b.gpx": b"no run"}
    path = archive(elsewhere / "export.zip", runs)
    first, again = (
        rose.post("/api/activities", files={"file": path.open("rb")}, headers=KEY) for _ in range(2)
    )
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    batch_id = first.json()["id"]
    assert first.headers["Location"] == f"/api/batches/{batch_id}"
    assert taken_in(door, batch_id) == {
        "created": 1, "duplicates": 0, "rejected": 1, "over": True
    }  # fmt: skip
    assert door.db.execute("SELECT name FROM batches").fetchall() == [("export.zip",)]
    assert waiting_files(door) == []


def test_a_file_of_bookmarks_becomes_a_batch(door: Door, rose: httpx.Client) -> None:
    answer = rose.post("/api/bookmarks/imports", content=EXPORT)
    assert answer.status_code == 202
    counts = taken_in(door, answer.json()["id"])
    assert counts == {"created": 2, "duplicates": 0, "rejected": 0, "over": True}


def test_a_file_that_holds_no_bookmarks_is_told_so(door: Door, rose: httpx.Client) -> None:
    answer = rose.post("/api/bookmarks/imports", content=b"\x00\x01 no bookmarks")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert door.db.execute("SELECT count(*) FROM batches").fetchone() == (0,)


def rejections(rose: httpx.Client, batch_id: int) -> str:
    """What the page of a batch says of what was rejected."""
    return rose.get(f"/o/the-marlows/batches/{batch_id}", headers={"Accept": "text/html"}).text


def test_the_answer_names_the_job_and_so_does_the_batch(door: Door, rose: httpx.Client) -> None:
    started = rose.post("/api/bookmarks/imports", content=EXPORT).json()
    batch = rose.get(f"/api/batches/{started['id']}").json()
    assert batch["job_id"] == started["job_id"]
    assert door.db.execute("SELECT type, owner_id FROM jobs").fetchall() == [
        ("ingest_history", door.marlows.id)
    ]


def test_what_an_attempt_that_died_has_stored_is_not_stored_again(
    door: Door, rose: httpx.Client
) -> None:
    """As a worker leaves it that was killed after it had stored one of two bookmarks."""
    batch_id = rose.post("/api/bookmarks/imports", content=EXPORT).json()["id"]
    rose.post("/api/bookmarks", json={"url": "https://example.org/a"})
    door.db.execute("UPDATE records SET batch_id = %s", (batch_id,))
    door.db.execute(
        "UPDATE jobs SET status = 'running', attempt = 1, attempts_left = 4, worker_id = 999,"
        ' started_at = now(), retry = retry || \'{"min_seconds": 0, "max_seconds": 0}\''
    )
    counts = taken_in(door, batch_id)
    assert counts == {"created": 2, "duplicates": 0, "rejected": 0, "over": True}
    assert waiting_files(door) == []


def test_a_worker_on_another_machine_takes_it_in(
    database_url: str, tmp_path: Path, s3_endpoint: str
) -> None:
    """What both share is the database and a bucket."""
    bucket = s3_settings(s3_endpoint, new_bucket(s3_endpoint))
    with open_door(database_url, tmp_path / "api", **bucket) as door:
        started = door.client().post("/api/bookmarks/imports", content=EXPORT).json()
        elsewhere = {"database_url": database_url, "keepsake_home": str(tmp_path / "worker")}
        with working(Settings.model_validate(elsewhere | bucket)):
            eventually(
                lambda: door.db.execute("SELECT FROM jobs WHERE status = 'succeeded'").rowcount,
                timeout=30,
            )
        batch = door.client().get(f"/api/batches/{started['id']}").json()
    assert batch["created"] == 2
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_import_that_is_cancelled_says_so_and_can_be_tried_again(
    door: Door, rose: httpx.Client
) -> None:
    started = rose.post("/api/bookmarks/imports", content=EXPORT).json()
    on_connection(door.db, cancel, started["job_id"])
    batch = rose.get(f"/api/batches/{started['id']}").json()
    assert (batch["created"], batch["rejected"]) == (0, 1)
    assert batch["taken_in_at"] is not None
    assert "It was cancelled" in rejections(rose, started["id"])
    on_connection(door.db, retry, started["job_id"])
    counts = taken_in(door, started["id"])
    assert counts == {"created": 2, "duplicates": 0, "rejected": 0, "over": True}


def test_an_import_that_is_given_up_says_why(door: Door, rose: httpx.Client) -> None:
    started = rose.post("/api/bookmarks/imports", content=EXPORT).json()
    [file] = waiting_files(door)
    file.unlink()
    assert taken_in(door, started["id"])["rejected"] == 1
    assert "There is no object imports/" in rejections(rose, started["id"])


def test_after_a_cancel_nothing_more_is_taken_in(door: Door, rose: httpx.Client) -> None:
    """The import is cancelled between two transactions, and its attempt does not know it yet."""
    started = rose.post("/api/bookmarks/imports", content=EXPORT).json()

    async def work(pool: Pool) -> None:
        async with pool.connection() as connection:
            (job,) = await claim(connection, 7, ["ingest_history"])
            batch = await reopen_batch(connection, door.marlows.id, job.id)
            await cancel(connection, job.id)
        assert batch is not None
        owner = find_owner(door.db, "the-marlows")
        held = partial(hold, fence=job.fence)
        path = door.settings.home / "export.html"
        path.write_bytes(EXPORT)
        await import_bookmarks(pool, door.settings, owner, path, batch_id=batch.id, hold=held)

    with pytest.raises(JobLost):
        in_pool(door.settings.database_url, work)
    assert door.db.execute("SELECT count(*) FROM records").fetchone() == (0,)
    assert "It was cancelled" in rejections(rose, started["id"])


def test_a_file_of_another_owner_is_not_taken_in(door: Door, rose: httpx.Client) -> None:
    rose.post("/api/bookmarks/imports", content=EXPORT)
    job = on_connection(door.db, submit, NewJob(ingest_history, owner_id=door.others.id))
    door.db.execute("DELETE FROM jobs WHERE id <> %s", (job.id,))
    run_jobs(door)
    assert door.db.execute("SELECT status, error FROM jobs").fetchall() == [
        (
            "failed",
            "this job has no file: send one to POST /api/activities or "
            "/api/bookmarks/imports, which submit the job with it",
        )
    ]


def test_files_on_their_way_in_are_given_up_after_a_day(door: Door) -> None:
    yesterday = time.time() - 90_000
    folder = door.settings.incoming_folder
    folder.mkdir()
    for name in ("old.part", "new.part"):
        (folder / name).write_bytes(b"half a story")
    os.utime(folder / "old.part", (yesterday, yesterday))
    with serving(create_app(door.settings)):
        assert list(folder.iterdir()) == [folder / "new.part"]
