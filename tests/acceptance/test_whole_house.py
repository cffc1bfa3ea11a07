"""Keepsake as a user starts it, with all its parts: one for all these tests, in their order."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from keepsake.cli import app
from keepsake.dagster_api import find_runs
from keepsake.database import Pool, connect
from keepsake.family.response import add_family, add_member
from keepsake.job_types import REGISTRY
from keepsake.jobs.control import cancel
from keepsake.jobs.plans import RUN_TAG
from keepsake.jobs.submission import NewJob, submit
from keepsake.local.ports import free_port
from keepsake.local.up import Addresses, AlreadyRunning, running, started
from keepsake.prepare import prepare
from keepsake.settings import Settings
from tests import session
from tests.family.house import NOON, STEPS, House
from tests.given import in_pool
from tests.recordings import record, spoken

from .parts import answers, eventually, locations, state

TEXT = "Dough needs patience. When you are angry, knead it and count to one hundred."
RUNS = """
{ runsOrError(filter: {tags: [{key: "keepsake/line", value: "family"}]}) {
    ... on Runs { results { status jobName tags { key value } } } } }
"""
MADE = """
query ($step: String!) { assetNodeOrError(assetKey: {path: [$step]}) { ... on AssetNode {
    assetMaterializations { partition metadataEntries { label
        ... on IntMetadataEntry { intValue } } } } } }
"""
CHECKS = [
    "settings", "home", "database", "objects", "chat", "embeddings", "speech", "transcription",
    "alerts", "dagster", "jobs",
]  # fmt: skip


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """Of a data folder that is there as long as the house."""
    with session.data_folder() as home:
        yield Settings.model_validate(
            {"keepsake_home": home, "dagster_port": free_port(), "api_port": free_port()}
        )


@pytest.fixture(scope="module")
def up(settings: Settings) -> Iterator[Addresses]:
    """Everything, started as `keepsake up` does, in this process."""
    prepared: list[str] = []

    def bring_up_to_date(url: str) -> None:
        prepared.append(url)
        prepare(url, settings)

    with started(settings, prepare=bring_up_to_date) as addresses:
        assert prepared == [addresses.database_url]
        yield addresses


# -- while all is well -----------------------------------------------------------------------------


def test_every_address_answers(up: Addresses) -> None:
    assert httpx.get(f"{up.dagster_url}/server_info").is_success
    assert httpx.get(f"{up.models_url}/models").is_success
    assert locations(up) == ["keepsake"]
    with psycopg.connect(up.database_url) as connection:
        row = connection.execute("SELECT to_regclass('dagster.runs') IS NOT NULL").fetchone()
    assert row == (True,)


def test_other_processes_find_the_addresses(up: Addresses, settings: Settings) -> None:
    assert running(settings) == up
    assert settings.endpoint("chat").base_url == up.models_url
    assert state(settings)["database_url"] == up.database_url


def test_a_second_one_is_refused_and_the_first_left_alone(
    up: Addresses, settings: Settings
) -> None:
    before = state(settings)
    with (
        pytest.raises(AlreadyRunning, match=f"process {os.getpid()}.*{up.api_url}") as no,
        started(settings, prepare=lambda url: None),
    ):
        pass
    assert no.value.addresses == up
    assert state(settings) == before
    assert httpx.get(f"{up.dagster_url}/server_info").is_success


def test_the_doctor_finds_all_well(
    up: Addresses, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSAKE_HOME", str(settings.home))
    monkeypatch.setenv("DAGSTER_PORT", str(settings.dagster_port))
    result = CliRunner().invoke(app, ["doctor", "--json"])
    found = json.loads(result.stdout)
    assert [check["name"] for check in found] == CHECKS
    assert [check for check in found if not check["ok"]] == []
    assert result.exit_code == 0


def test_new_responses_are_carried_through_all_steps_by_themselves(
    up: Addresses, settings: Settings, tmp_path: Path
) -> None:
    with connect(up.database_url) as db:
        family = add_family(db, "The Marlows")
        add_member(db, family, "Rose")
    house = House(settings, up.database_url, family)
    voice = record(spoken(TEXT), tmp_path / "rose.m4a", codec="aac")

    written = asyncio.run(house.add(text=TEXT))
    said = asyncio.run(house.add(audio=voice, recorded_at=NOON - timedelta(days=1)))

    def done() -> bool:
        rows = house.rows("SELECT status FROM ledger")
        return len(rows) == 2 * len(STEPS) and {row["status"] for row in rows} == {"succeeded"}

    eventually(done)
    for record_id in (written, said):
        [podcast] = house.of("podcasts", record_id)
        assert house.file(podcast["audio_key"]).stat().st_size == podcast["size_bytes"]
    assert any(row["clip_key"] for row in house.of("quotes", said))

    def ask(query: str, **variables: str) -> Any:
        asked = {"query": query, "variables": variables}
        answer = httpx.post(f"{up.dagster_url}/graphql", json=asked, timeout=30)
        return next(iter(answer.json()["data"].values()))

    def runs() -> Any:
        found = ask(RUNS)["results"]
        return found if all(run["status"] == "SUCCESS" for run in found) else None

    tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in eventually(runs)]
    assert {tag["dagster/partition"] for tag in tags} == {"2026-05-04", "2026-05-03"}
    assert {tag["dagster/sensor_name"] for tag in tags} == {"new_family_records"}
    for step in STEPS:
        carried: dict[str, int] = {}
        for event in ask(MADE, step=step)["assetMaterializations"]:
            counts = {e["label"]: e.get("intValue", 0) for e in event["metadataEntries"]}
            # A weak model may find no advice in words so few.
            count = counts["made"] + counts.get("nothing to make", 0)
            carried[event["partition"]] = carried.get(event["partition"], 0) + count
        # The others are days without records, of which the sensor tells.
        assert {day: count for day, count in carried.items() if count} == {
            "2026-05-04": 1,
            "2026-05-03": 1,
        }, step

    # One that is older than all before gets its partition without anybody's doing.
    long_ago = asyncio.run(
        house.add(text=f"My mother said: {TEXT}", recorded_at=NOON - timedelta(days=5000))
    )
    assert long_ago not in (written, said)
    eventually(lambda: house.ledger(long_ago)["podcasts"]["status"] == "succeeded")
    day = f"{NOON - timedelta(days=5000):%Y-%m-%d}"

    def is_told() -> bool:
        events = ask(MADE, step="podcasts")["assetMaterializations"]
        return day in {event["partition"] for event in events}

    eventually(is_told)

    logs = [path for path in settings.home.rglob("*") if path.suffix in (".log", ".out", ".err")]
    assert len(logs) >= 4
    assert not [path for path in logs if "knead" in path.read_text(errors="replace")]


def test_a_job_is_carried_out_by_a_run_and_one_that_is_cancelled_stops_its_run(
    up: Addresses, settings: Settings
) -> None:
    """The second job's run has a day of records to carry when it is cancelled."""
    with connect(up.database_url) as db:
        house = House(settings, up.database_url, add_family(db, "The Bakers"))
        add_member(db, house.family, "Rose")
    now, later = NOON + timedelta(days=9), NOON + timedelta(days=10)
    record_id = asyncio.run(house.add(text=TEXT, recorded_at=now))
    for number in range(60):
        asyncio.run(house.add(text=f"{TEXT} {number}", recorded_at=later))
    # Left to the jobs by the line's sensor.
    house.change("UPDATE ledger SET due_at = NULL WHERE owner_id = %s", house.family.id)

    def status(job_id: int) -> Any:
        return house.rows("SELECT status FROM jobs WHERE id = %s", job_id)[0]["status"]

    job_id = submitted(house, "process_record", {"record_id": record_id}, house.family.id)
    eventually(lambda: status(job_id) == "succeeded")
    day = f"{later:%Y-%m-%d}"
    cancelled = submitted(house, "run_line", {"line": "family", "first": day, "last": day}, None)
    eventually(lambda: status(cancelled) == "running")
    in_pool(up.database_url, partial(cancel_job, cancelled))
    eventually(
        lambda: (
            [run.status for run in find_runs(up.dagster_url, tags={RUN_TAG: f"{cancelled}:1"})]
            == ["CANCELED"]
        ),
        timeout=30,
    )
    assert status(cancelled) == "cancelled"
    states = house.rows("SELECT status FROM ledger WHERE owner_id = %s", house.family.id)
    assert "running" not in {row["status"] for row in states}


def submitted(house: House, name: str, data: dict[str, Any], owner_id: int | None) -> int:
    """The id of a job."""

    async def do(pool: Pool) -> int:
        async with pool.connection() as connection:
            new = NewJob(REGISTRY.find(name), data, owner_id=owner_id)
            return (await submit(connection, new)).id

    return in_pool(house.url, do)


async def cancel_job(job_id: int, pool: Pool) -> None:
    async with pool.connection() as connection:
        await cancel(connection, job_id)


# -- when a part is killed -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model server", "worker", "code server", "Dagster daemon"])
def test_a_part_that_is_killed_starts_again(up: Addresses, settings: Settings, name: str) -> None:
    killed = state(settings)["parts"][name]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: state(settings)["parts"][name] != killed)
    eventually(lambda: httpx.get(f"{up.models_url}/models").is_success)


def test_a_database_that_is_killed_starts_again(up: Addresses, settings: Settings) -> None:
    pid_file = settings.home / "postgres/data/postmaster.pid"
    os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
    eventually(lambda: answers(up.database_url))
    eventually(lambda: locations(up) == ["keepsake"])
