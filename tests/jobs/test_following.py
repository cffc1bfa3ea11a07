"""A worker follows the runs of Dagster that are attempts at jobs. The webserver is a real one."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import dagster as dg
import httpx
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from keepsake.database import AsyncConnection, Pool
from keepsake.jobs import following
from keepsake.jobs.attempts import become_worker, claim_for_run
from keepsake.jobs.control import cancel
from keepsake.jobs.following import Following
from keepsake.jobs.registry import Retry
from keepsake.jobs.rows import Fence
from keepsake.jobs.upkeep import give_back_runs
from keepsake.local.parts import Part, Parts
from keepsake.local.ports import free_port
from keepsake.webhooks.received import RunEvent, take
from tests.jobs.greetings import column, given, greet, row

KIND = replace(greet, executor="dagster", retry=Retry(attempts=2, min_seconds=0, max_seconds=0))
STATUS = dg.DagsterRunStatus
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("keepsake"), "__repository__"),
    "family_line",
)


@dataclass(frozen=True)
class Dagster:
    """An instance, and the webserver that answers for it."""

    url: str
    instance: dg.DagsterInstance

    def run(self, job_id: int, status: STATUS, *, attempt: int = 1) -> str:
        """The id of a run of the sensor that is this attempt at a job."""
        tags = {"keepsake/job": f"{job_id}:{attempt}", "dagster/sensor_name": "tracked_jobs"}
        run = dg.DagsterRun("family_line", tags=tags, status=status, remote_job_origin=ORIGIN)
        return self.instance.add_run(run).run_id

    def status(self, run_id: str) -> STATUS:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status


@pytest.fixture(scope="module")
def webserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dagster]:
    """A webserver without code, on an instance of its own."""
    home, port = tmp_path_factory.mktemp("dagster"), free_port()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/server_info").is_success
        except httpx.HTTPError:
            return False

    command = [sys.executable, "-m", "dagster_webserver", "--empty-workspace", "-p", str(port)]
    parts = Parts(
        folder=home,
        environment={"DAGSTER_HOME": str(home)},
        logs=home,
        on_change=lambda: None,
        say=print,
    )
    try:
        parts.start(Part("webserver", command, answers))
        parts.wait_until_healthy(60)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield Dagster(url, instance)
    finally:
        parts.end(5)


@pytest.fixture
def dagster(webserver: Dagster) -> Dagster:
    """The webserver, without runs."""
    for run in webserver.instance.get_runs():
        webserver.instance.delete_run(run.run_id)
    return webserver


@pytest.fixture
def worker(pool: Pool, dagster: Dagster) -> Following:
    return Following(pool, dagster.url)


async def begun(db: AsyncConnection, job_id: int, run_id: str) -> None:
    """Let the run claim its job."""
    worker_id = await become_worker(db, executor="dagster")
    assert await claim_for_run(db, worker_id, Fence(job_id, 1), run_id)


@pytest.mark.parametrize("status", [STATUS.FAILURE, STATUS.CANCELED, STATUS.SUCCESS])
async def test_a_run_that_ended_before_it_began_is_an_attempt_and_there_is_another(
    db: AsyncConnection, dagster: Dagster, worker: Following, status: STATUS
) -> None:
    job_id = await given(db, type=KIND)
    run_id = dagster.run(job_id, status)
    await worker.look()
    await worker.look()
    job = await row(db, job_id)
    assert (job["status"], job["attempt"], job["attempts_left"]) == ("pending", 1, 1)
    assert await column(db, "SELECT run_id FROM job_attempts WHERE outcome = 'orphaned'") == [
        run_id
    ]
    dagster.run(job_id, status, attempt=2)
    await worker.look()
    job = await row(db, job_id)
    assert (job["status"], job["error_type"]) == ("orphaned", "RunLost")
    assert status.value in job["error"]


@pytest.mark.parametrize("status", [STATUS.QUEUED, STATUS.STARTED, STATUS.MANAGED])
async def test_a_run_that_has_not_ended_is_waited_for(
    db: AsyncConnection, dagster: Dagster, worker: Following, status: STATUS
) -> None:
    job_id = await given(db, type=KIND)
    run_id = dagster.run(job_id, status)
    await worker.look()
    await worker.reconcile()
    job = await row(db, job_id)
    assert (job["status"], job["attempt"]) == ("pending", 0)
    assert job["last_synced_at"] is not None
    assert dagster.status(run_id) is status


async def test_a_run_that_there_is_news_of_is_looked_at_although_it_is_gone(
    db: AsyncConnection, dagster: Dagster, worker: Following
) -> None:
    job_id = await given(db, type=KIND)
    run_id = dagster.run(job_id, STATUS.STARTED)
    await begun(db, job_id, run_id)
    dagster.instance.delete_run(run_id)
    await worker.look()
    assert (await row(db, job_id))["status"] == "running"
    async with db.transaction():
        await take(db, RunEvent("msg_1", timedelta(minutes=1), run_id))
    await worker.look()
    assert (await row(db, job_id))["status"] == "pending"


async def test_while_one_run_of_an_attempt_may_begin_the_end_of_another_is_nothing(
    db: AsyncConnection, dagster: Dagster, worker: Following
) -> None:
    job_id = await given(db, type=KIND)
    dagster.run(job_id, STATUS.QUEUED)
    dagster.run(job_id, STATUS.SUCCESS)  # started by hand, with the same tag
    await worker.look()
    assert (await row(db, job_id))["attempt"] == 0


async def test_a_run_that_ended_without_a_word_is_tried_again(
    db: AsyncConnection, dagster: Dagster, worker: Following
) -> None:
    job_id = await given(db, type=KIND)
    run_id = dagster.run(job_id, STATUS.FAILURE)
    await begun(db, job_id, run_id)
    await worker.look()
    job = await row(db, job_id)
    assert (job["status"], job["attempt"]) == ("pending", 1)


async def test_a_run_that_was_deleted_is_tried_again_by_the_reconciliation(
    db: AsyncConnection, dagster: Dagster, worker: Following
) -> None:
    there, deleted = await given(db, type=KIND), await given(db, type=KIND)
    await begun(db, there, dagster.run(there, STATUS.STARTED))
    await begun(db, deleted, "a1b2")
    await worker.look()
    assert (await row(db, deleted))["status"] == "running"
    await worker.reconcile()
    await worker.reconcile()
    assert (await row(db, deleted))["status"] == "pending"
    assert (await row(db, there))["status"] == "running"


async def test_a_queued_run_of_a_cancelled_job_is_cancelled(
    db: AsyncConnection, dagster: Dagster, worker: Following
) -> None:
    job_id, other = await given(db, type=KIND), await given(db, type=KIND)
    run_id, others = dagster.run(job_id, STATUS.QUEUED), dagster.run(other, STATUS.QUEUED)
    await cancel(db, job_id)
    await worker.look()
    assert dagster.status(run_id) is STATUS.CANCELED
    assert dagster.status(others) is STATUS.QUEUED


async def test_a_run_that_does_not_end_is_marked_as_cancelled_after_a_while(
    db: AsyncConnection, dagster: Dagster, worker: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is gone, so nobody does it for us."""
    job_id = await given(db, type=KIND)
    run_id = dagster.run(job_id, STATUS.STARTED)
    await begun(db, job_id, run_id)
    await cancel(db, job_id)
    await worker.look()
    assert dagster.status(run_id) in (STATUS.STARTED, STATUS.CANCELING)
    monkeypatch.setattr(following, "GRACE", timedelta())
    await worker.look()
    assert dagster.status(run_id) is STATUS.CANCELED
    assert (await row(db, job_id))["status"] == "cancelled"


async def test_while_dagster_is_away_nothing_changes(
    pool: Pool, db: AsyncConnection, dagster: Dagster, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await given(db, type=KIND)
    run_id = dagster.run(job_id, STATUS.FAILURE)
    await begun(db, job_id, run_id)
    worker = Following(pool, f"http://127.0.0.1:{free_port()}")
    for _ in range(3):
        await worker.look()
        await worker.reconcile()
    assert (await row(db, job_id))["status"] == "running"
    assert caplog.text.count("Dagster does not answer") == 1


async def test_runs_that_are_about_to_end_give_their_jobs_back(
    db: AsyncConnection, dagster: Dagster
) -> None:
    job_id = await given(db, type=KIND)
    await begun(db, job_id, dagster.run(job_id, STATUS.STARTED))
    assert await give_back_runs(db) == [job_id]
    job = await row(db, job_id)
    assert (job["status"], job["attempt"], job["attempts_left"]) == ("pending", 1, 2)
