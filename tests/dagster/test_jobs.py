"""Tracked jobs that Dagster runs: asked for once, claimed by their run, ended with what it made."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

from definitions import build_defs
from keepsake.database import AsyncConnection, connect, open_pool
from keepsake.job_types import REGISTRY
from keepsake.jobs import control
from keepsake.jobs.registry import Registry
from keepsake.jobs.submission import NewJob, submit
from keepsake.jobs.upkeep import Found, reconcile
from keepsake.owners.owners import add_owner
from sensors import jobs as sensor_of_jobs
from sensors.jobs import tracked_jobs
from tests.doubles.server import error
from tests.family.house import NOON, STEPS, House, Storyteller
from tests.pages import ROOT, blocks

from .conftest import CALENDAR, TEXT, Location, resources


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor_of_jobs, "TICK_SECONDS", 0.1)
    monkeypatch.setattr(sensor_of_jobs, "POLL_SECONDS", 0.02)


def add(house: House, text: str = TEXT, **response: Any) -> int:
    return asyncio.run(house.add(text=text, **response))


def with_database(house: House, work: Callable[[AsyncConnection], Any]) -> Any:
    async def do() -> Any:
        async with open_pool(house.url, size=1) as pool, pool.connection() as connection:
            return await work(connection)

    return asyncio.run(do())


def given(house: House, name: str, data: dict[str, Any], **fields: Any) -> int:
    """The id of a job of the family, submitted."""
    kind = REGISTRY.find(name)
    owner = house.family.id if kind.whose == "owner" else None
    new = NewJob(kind, data, **{"owner_id": owner, **fields})
    submission = with_database(house, lambda connection: submit(connection, new))
    return int(submission.id)


def cancel(house: House, job_id: int) -> None:
    with_database(house, lambda connection: control.cancel(connection, job_id))


def row(house: House, job_id: int) -> dict[str, Any]:
    [found] = house.rows("SELECT * FROM jobs WHERE id = %s", job_id)
    return found


def tick(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """The runs that one evaluation of the sensor asks for."""
    with dg.build_sensor_context(instance, resources=resources()) as context:
        result: Any = tracked_jobs(CALENDAR)(context)
    return list(result.run_requests or ()) if isinstance(result, dg.SensorResult) else []


def run(location: Location, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """The run that was asked for, as the daemon would make it."""
    assert request.job_name is not None
    key = {"dagster/run_key": request.run_key} if request.run_key else {}
    return location.defs.resolve_job_def(request.job_name).execute_in_process(
        partition_key=request.partition_key,
        tags={**request.tags, **key},
        asset_selection=list(request.asset_selection or ()),
        run_config=request.run_config,
        instance=location.instance,
        raise_on_error=False,
    )


def test_a_record_is_processed_by_a_run_of_its_own(location: Location) -> None:
    """The other record of the day is left to the line's sensor."""
    record_id, other = add(location.house), add(location.house, TEXT.upper())
    job_id = given(location.house, "process_record", {"record_id": record_id})
    [request] = tick(location.instance)
    assert request.run_key == f"job:{job_id}:1"
    assert request.tags["keepsake/job"] == f"{job_id}:1"
    result = run(location, request)
    assert result.success
    job = row(location.house, job_id)
    assert (job["status"], job["run_id"], job["attempt"]) == ("succeeded", result.run_id, 1)
    assert job["result"]["records"] == 1
    assert job["result"]["steps"] == {step: {"made": 1} for step in STEPS}
    made = location.house.ledger(record_id)
    assert {step["status"] for step in made.values()} == {"succeeded"}
    assert {step["status"] for step in location.house.ledger(other).values()} == {"pending"}
    [attempt] = location.house.rows("SELECT * FROM job_attempts WHERE job_id = %s", job_id)
    assert (attempt["outcome"], attempt["run_id"]) == ("succeeded", result.run_id)


def test_an_episode_is_made_with_what_it_needs_and_nothing_else(location: Location) -> None:
    record_id = add(location.house)
    job_id = given(location.house, "make_episode", {"record_id": record_id})
    [request] = tick(location.instance)
    assert run(location, request).success
    assert set(row(location.house, job_id)["result"]["steps"]) == {
        "transcripts", "stories", "podcasts",
    }  # fmt: skip
    assert len(location.house.of("podcasts", record_id)) == 1
    given(location.house, "make_episode", {"record_id": record_id, "redo": True})
    [request] = tick(location.instance)
    assert [key.to_user_string() for key in request.asset_selection or ()] == ["podcasts"]


def test_some_days_are_one_run(location: Location) -> None:
    for ago in range(3):
        add(location.house, f"{TEXT} {ago}", recorded_at=NOON - timedelta(days=ago))
    data = {"line": "family", "first": "2026-05-03", "last": "2026-05-04", "steps": ["transcripts"]}
    job_id = given(location.house, "run_line", data, priority="low")
    [request] = tick(location.instance)
    assert request.tags["keepsake/bulk"] == "true"
    assert run(location, request).success
    assert row(location.house, job_id)["result"] == {
        "records": 2, "steps": {"transcripts": {"made": 2}},
    }  # fmt: skip


# -- what is asked for ----------------------------------------------------------------------------


def test_a_job_is_asked_for_until_there_is_a_run_of_it_and_no_more(location: Location) -> None:
    given(location.house, "process_record", {"record_id": add(location.house)})
    [request] = tick(location.instance)
    assert tick(location.instance) == [request]  # the daemon died before it made the run
    location.instance.add_run(
        dg.DagsterRun("family_line", tags={"dagster/run_key": str(request.run_key)})
    )
    assert tick(location.instance) == []


def test_the_urgent_job_is_first_and_what_is_not_due_or_too_late_is_none(
    location: Location,
) -> None:
    record_id = add(location.house)

    def asked(**fields: Any) -> int:
        return given(location.house, "process_record", {"record_id": record_id}, **fields)

    normal, urgent = asked(), asked(priority="urgent")
    asked(run_after=NOON.now(NOON.tzinfo) + timedelta(hours=1))
    asked(ttl=timedelta(seconds=1))
    location.house.change("UPDATE jobs SET expires_at = now() WHERE expires_at IS NOT NULL")
    requests = tick(location.instance)
    assert [request.run_key for request in requests] == [f"job:{urgent}:1", f"job:{normal}:1"]
    assert [request.tags["dagster/priority"] for request in requests] == ["10", "0"]


def test_of_a_concurrency_key_one_is_asked_for(location: Location) -> None:
    data = {"record_id": add(location.house)}
    first, second = (
        given(location.house, "process_record", data, concurrency_key="k") for _ in range(2)
    )
    [request] = tick(location.instance)
    assert request.run_key == f"job:{first}:1"
    assert run(location, request).success
    assert [request.run_key for request in tick(location.instance)] == [f"job:{second}:1"]


def test_a_job_that_comes_during_a_tick_is_seen_in_that_tick(
    location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_id = add(location.house)
    monkeypatch.setattr(sensor_of_jobs, "TICK_SECONDS", 20)
    with ThreadPoolExecutor() as pool:
        later = pool.submit(given, location.house, "process_record", {"record_id": record_id})
        [request] = tick(location.instance)
        assert request.run_key == f"job:{later.result()}:1"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("process_record", {"record_id": 999_999}, "there is no record 999999"),
        ("run_line", {"line": "family", "first": "1990-01-01", "last": "1990-02-01"}, "none from"),
    ],
)
def test_what_no_run_can_do_fails_with_the_reason(
    location: Location, name: str, data: dict[str, Any], said: str
) -> None:
    job_id = given(location.house, name, data)
    assert tick(location.instance) == []
    job = row(location.house, job_id)
    assert (job["status"], job["error_type"]) == ("failed", "InvalidInput")
    assert said in job["error"]


def test_a_record_of_another_owner_is_none(location: Location) -> None:
    record_id = add(location.house)
    with connect(location.house.url) as db:
        other = add_owner(db, "Ben")
    job_id = given(location.house, "process_record", {"record_id": record_id}, owner_id=other.id)
    assert tick(location.instance) == []
    assert row(location.house, job_id)["status"] == "failed"


# -- how it ends ----------------------------------------------------------------------------------


def test_a_run_started_twice_does_its_work_once(location: Location, teller: Storyteller) -> None:
    job_id = given(location.house, "process_record", {"record_id": add(location.house)})
    [request] = tick(location.instance)
    first = run(location, request)
    calls = len(teller.seen)
    second = run(location, request)
    assert second.success
    assert second.get_asset_materialization_events() == []
    assert f"attempt 1 at job {job_id} is another run's" in location.log(second)
    assert len(teller.seen) == calls
    assert row(location.house, job_id)["run_id"] == first.run_id


def test_a_job_that_is_cancelled_before_its_run_begins_is_not_begun(
    location: Location, teller: Storyteller
) -> None:
    record_id = add(location.house)
    job_id = given(location.house, "process_record", {"record_id": record_id})
    [request] = tick(location.instance)
    cancel(location.house, job_id)
    assert run(location, request).success
    assert teller.seen == []
    assert {step["status"] for step in location.house.ledger(record_id).values()} == {"pending"}
    assert row(location.house, job_id)["status"] == "cancelled"


def test_after_a_cancel_no_call_to_a_model_begins(location: Location, teller: Storyteller) -> None:
    """The one call during which it is cancelled is the last; the run ends as cancelled."""
    with location.house.under(CHAT_CONCURRENCY="1") as house:
        location = replace(location, defs=build_defs(house.settings))
    ids = [add(location.house, f"{TEXT} {number}") for number in range(5)]
    data = {"line": "family", "first": "2026-05-04", "last": "2026-05-04"}
    job_id = given(location.house, "run_line", data)
    [request] = tick(location.instance)
    begun: list[int] = []

    def cancelled_meanwhile() -> None:
        cancel(location.house, job_id)
        begun.append(len(teller.seen))

    teller.meanwhile["Quotes"] = cancelled_meanwhile
    result = run(location, request)
    stored = location.instance.get_run_by_id(result.run_id)
    assert stored is not None
    assert stored.status is dg.DagsterRunStatus.CANCELED
    assert len(teller.seen) == begun[0]
    assert row(location.house, job_id)["status"] == "cancelled"
    [attempt] = location.house.rows("SELECT * FROM job_attempts WHERE job_id = %s", job_id)
    assert attempt["outcome"] == "cancelled"
    states = [s for i in ids for s in location.house.ledger(i).values()]
    assert "failed" not in {state["status"] for state in states}
    assert "running" not in {state["status"] for state in states}


def test_what_cannot_be_made_now_is_tried_again(location: Location, teller: Storyteller) -> None:
    teller.next(*[error(401)] * 4)
    job_id = given(location.house, "process_record", {"record_id": add(location.house)})
    [request] = tick(location.instance)
    assert not run(location, request).success
    job = row(location.house, job_id)
    assert (job["status"], job["error_type"]) == ("pending", "EndpointDown")
    assert (job["attempt"], job["attempts_left"]) == (1, 2)
    location.house.change("UPDATE jobs SET due_at = now()")
    [request] = tick(location.instance)
    assert request.run_key == f"job:{job_id}:2"


def test_a_record_whose_step_failed_fails_its_job(location: Location, teller: Storyteller) -> None:
    teller.confused_by = TEXT
    job_id = given(location.house, "process_record", {"record_id": add(location.house)})
    [request] = tick(location.instance)
    run(location, request)
    job = row(location.house, job_id)
    assert (job["status"], job["error_type"], job["attempt"]) == ("failed", "StepFailed", 1)
    assert "keepsake status" in job["error"]


def test_a_run_that_takes_too_long_is_stopped(location: Location, teller: Storyteller) -> None:
    job_id = given(location.house, "process_record", {"record_id": add(location.house)})
    location.house.change("UPDATE jobs SET timeout = '300 ms', attempts_left = 1")
    [request] = tick(location.instance)
    teller.meanwhile["Quotes"] = lambda: time.sleep(1)
    assert not run(location, request).success
    assert row(location.house, job_id)["status"] == "timed_out"


def test_a_job_that_was_cancelled_can_be_retried(location: Location) -> None:
    job_id = given(location.house, "process_record", {"record_id": add(location.house)})
    [request] = tick(location.instance)
    cancel(location.house, job_id)
    assert run(location, request).success
    with_database(location.house, lambda connection: control.retry(connection, job_id))
    [request] = tick(location.instance)
    assert request.run_key == f"job:{job_id}:2"
    assert run(location, request).success
    assert row(location.house, job_id)["status"] == "succeeded"


@pytest.mark.parametrize(
    ("by_a_person", "status", "left"), [(True, "cancelled", 2), (False, "pending", 3)]
)
def test_a_run_that_is_interrupted_cancels_its_job_if_a_person_wanted_it_and_else_gives_it_back(
    location: Location, teller: Storyteller, by_a_person: bool, status: str, left: int
) -> None:
    job_id = given(location.house, "process_record", {"record_id": add(location.house)})
    [request] = tick(location.instance)

    def interrupt() -> None:
        if by_a_person:
            [under_way] = location.instance.get_runs()
            location.instance.report_run_canceling(under_way)
        os.kill(os.getpid(), signal.SIGINT)

    teller.meanwhile["Quotes"] = interrupt
    with suppress(KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        run(location, request)
    job = row(location.house, job_id)
    assert (job["status"], job["attempt"], job["attempts_left"]) == (status, 1, left)


def test_a_run_that_is_killed_in_the_middle_is_followed_by_another(
    location: Location, teller: Storyteller
) -> None:
    record_id = add(location.house)
    job_id = given(location.house, "process_record", {"record_id": record_id})
    [request] = tick(location.instance)
    first = begun(request)
    teller.meanwhile["Quotes"] = first.kill
    first.wait(60)
    assert row(location.house, job_id)["status"] == "running"
    assert reconciled(location.house).again == [job_id]
    location.house.change("UPDATE jobs SET due_at = now()")
    [request] = tick(location.instance)
    assert request.run_key == f"job:{job_id}:2"
    assert run(location, request).success
    assert row(location.house, job_id)["status"] == "succeeded"
    assert {step["status"] for step in location.house.ledger(record_id).values()} == {"succeeded"}


def test_a_run_that_is_killed_before_it_claims_leaves_the_job_to_another(
    location: Location,
) -> None:
    """Of the same attempt: there was none. Whether there is a run of it, Dagster knows."""
    job_id = given(location.house, "process_record", {"record_id": add(location.house)})
    [request] = tick(location.instance)
    killed = begun(request)
    killed.kill()
    killed.wait(60)
    assert reconciled(location.house) == Found()
    job = row(location.house, job_id)
    assert (job["status"], job["attempt"]) == ("pending", 0)
    assert tick(location.instance) == [request]
    assert run(location, request).success
    assert row(location.house, job_id)["status"] == "succeeded"


def begun(request: dg.RunRequest) -> "subprocess.Popen[bytes]":
    """The run that was asked for, in a process of its own."""
    asked = {
        "job": request.job_name,
        "partition": request.partition_key,
        "tags": dict(request.tags),
        "assets": [key.to_user_string() for key in request.asset_selection or ()],
        "config": request.run_config,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.dagster.a_run", json.dumps(asked)], stderr=subprocess.DEVNULL
    )


def reconciled(house: House) -> Found:
    async def do() -> Found:
        async with open_pool(house.url, size=2) as pool:
            return await reconcile(pool)

    return asyncio.run(do())


def test_the_example_of_a_type_that_dagster_runs_does_what_its_page_says(
    location: Location, teller: Storyteller
) -> None:
    module = ModuleType("keepsake.job_types.quotes")
    example = blocks(ROOT / "docs/adding-a-job.md", "python")[-1]
    exec(compile(example, "quotes.py", "exec"), vars(module))
    record_id = add(location.house)
    assert location.run().success
    new = NewJob(module.choose_quotes, {"day": "2026-05-04"})
    with_database(location.house, lambda connection: submit(connection, new))
    sensor: Any = tracked_jobs(CALENDAR, Registry([module.choose_quotes]))
    with dg.build_sensor_context(location.instance, resources=resources()) as context:
        [request] = sensor(context).run_requests
    calls = len(teller.seen)
    assert run(location, request).success
    assert len(teller.seen) == calls + 1
    assert len(location.house.of("quotes", record_id)) == 1
