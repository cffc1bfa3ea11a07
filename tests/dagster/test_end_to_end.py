"""A written and a spoken response go through everything by themselves, as on a user's machine."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from keepsake.database import connect, migrate
from keepsake.family.response import add_family, add_member
from keepsake.local.ports import free_port
from keepsake.local.up import Addresses, started
from keepsake.settings import Settings
from tests.family.house import NOON, STEPS, House
from tests.recordings import record, spoken

PATIENCE = 150.0  # seconds; a quiet machine takes 25
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


@pytest.fixture
def up(home: Path) -> Iterator[tuple[Settings, Addresses]]:
    """Everything, started as `keepsake up` does."""
    settings = Settings.model_validate({"keepsake_home": home, "dagster_port": free_port()})

    def prepare(url: str) -> None:
        migrate(url)

    with started(settings, prepare=prepare) as addresses:
        yield settings, addresses


def eventually(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        if time.monotonic() > deadline:
            pytest.fail("it did not come about in time")
        time.sleep(0.2)
    return found


def test_new_responses_are_carried_through_all_steps_by_themselves(
    up: tuple[Settings, Addresses], tmp_path: Path
) -> None:
    settings, addresses = up
    with connect(addresses.database_url) as db:
        family = add_family(db, "The Marlows")
        add_member(db, family, "Rose")
    house = House(settings, addresses.database_url, family)
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
        answer = httpx.post(f"{addresses.dagster_url}/graphql", json=asked, timeout=30)
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
