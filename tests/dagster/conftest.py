"""The code location in a house, on a Dagster instance of its own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import pytest
from dagster_shared.serdes import serialize_value

from assets.partitions import Calendar
from definitions import build_defs
from keepsake.settings import load_settings
from resources.database import DatabaseResource
from tests.family.conftest import house_with as house_with
from tests.family.conftest import serve as serve
from tests.family.conftest import teller as teller
from tests.family.conftest import weak_house as weak_house
from tests.family.house import House, Storyteller

TODAY = "2026-05-04"
CALENDAR = Calendar(date(2000, 1, 1))
TEXT = "I was afraid in the dark, so I sang every song I knew. Sing to what scares you and walk on."


def resources() -> dict[str, Any]:
    """What sensors and schedules get, under the settings in force now."""
    settings = load_settings()
    return {"database": DatabaseResource(settings=settings), "settings": settings}


@dataclass(frozen=True)
class Location:
    """The definitions under the house's settings, and an instance to run them on."""

    house: House
    instance: dg.DagsterInstance
    defs: dg.Definitions

    def run(
        self,
        *steps: str,
        day: str | None = TODAY,
        tags: Mapping[str, str] | None = None,
        **config: Any,
    ) -> dg.ExecuteInProcessResult:
        """Materialise these steps of a day, or all."""
        return self.defs.resolve_job_def("family_line").execute_in_process(
            partition_key=day,
            tags=dict(tags or {}),
            asset_selection=[dg.AssetKey(step) for step in steps] or None,
            run_config={"ops": {"family_steps": {"config": config}}},
            instance=self.instance,
            raise_on_error=False,
        )

    def log(self, result: dg.ExecuteInProcessResult) -> str:
        """Everything that Dagster keeps of a run: events, messages, metadata."""
        return "\n".join(serialize_value(entry) for entry in self.instance.all_logs(result.run_id))

    def days(self, step: str) -> set[str]:
        """The days on which a step is materialised."""
        return self.instance.get_materialized_partitions(dg.AssetKey(step))


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """The metadata of each materialised asset."""
    return {
        event.asset_key.to_user_string(): {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }


def checks(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """The outcome of each check, by asset and name."""
    return {
        (found.asset_key.to_user_string(), found.check_name): found
        for found in result.get_asset_check_evaluations()
    }


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance in memory."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def location(weak_house: House, teller: Storyteller, instance: dg.DagsterInstance) -> Location:
    """The code location in a house whose chat model is the teller."""
    teller.will("Values", {"values": ["courage"]})
    teller.will("Headline", {"title": "Songs", "summary": "Songs against the dark."})
    teller.will("Quotes", {"quotes": ["Sing to what scares you"]})
    teller.will("Wisdom", {"wisdom": [{
        "support": "Sing to what scares you", "advice": "Sing.",
        "life_area": "character", "audience": "everyone",
    }]})  # fmt: skip
    return Location(weak_house, instance, build_defs(weak_house.settings))
