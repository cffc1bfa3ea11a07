"""The worked examples of the documentation, run as they stand on their pages."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

from assets.line_assets import StepAsset
from assets.partitions import read_calendar
from definitions import build_defs
from keepsake.database import Pool, connect, open_pool
from keepsake.family.line import FAMILY
from keepsake.family.response import NewResponse, add_family, add_member, add_response
from keepsake.owners.owners import add_owner
from keepsake.pipeline.run import run_line
from keepsake.pipeline.spec import RunSpec
from keepsake.pipeline.window import Window
from keepsake.settings import Settings, load_settings
from keepsake.steps.tools import open_tools
from resources.database import DatabaseResource
from resources.models import ModelsResource
from resources.objects import FolderObjectsResource
from tests.doubles.openai_api import OpenAI
from tests.doubles.server import serving
from tests.given import in_pool
from tests.pages import ROOT, blocks

STEP_PAGE, LINE_PAGE = ROOT / "docs/adding-a-step.md", ROOT / "docs/adding-a-line.md"
PEOPLE, LINE_OF_STEPS, PEOPLE_ASSET = blocks(STEP_PAGE, "python")
RECIPES = dict(
    zip(
        (
            "keepsake.recipes.recipe",
            "keepsake.recipes.steps.ingredients",
            "keepsake.recipes.line",
            "assets.recipes.ingredients",
            "assets.recipes.line",
            "sensors.recipes",
            "schedules.recipes",
        ),
        blocks(LINE_PAGE, "python"),
        strict=True,
    )
)
FILES = {
    "keepsake.family.steps.people": PEOPLE,
    "assets.family.people": PEOPLE_ASSET,
    **RECIPES,
}
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


class NamesPeople(OpenAI):
    """Names two people, one of whom nobody spoke of."""

    def __init__(self) -> None:
        super().__init__()
        self.says = [json.dumps({"people": ["Uncle Ted", "Napoleon"]})]


@pytest.fixture
def settings(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings of a house whose chat model names people."""
    with serving(NamesPeople()) as address:
        for name, value in {
            "KEEPSAKE_HOME": str(tmp_path),
            "DATABASE_URL": database_url,
            "CHAT_BASE_URL": f"{address}/v1",
            "CHAT_MODEL": "some-model",
        }.items():
            monkeypatch.setenv(name, value)
        yield load_settings()


def module(name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a file of an example defines, once others can import it."""
    made = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, made)
    package, _, own_name = name.rpartition(".")
    if package not in sys.modules:
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    monkeypatch.setattr(sys.modules[package], own_name, made, raising=False)
    exec(compile(source, name, "exec"), made.__dict__)
    return made.__dict__


def migrate(settings: Settings, page: Path) -> None:
    """Apply the migration of a page."""
    (migration,) = blocks(page, "sql")
    with connect(settings.database_url) as connection, connection.transaction():
        connection.execute(migration.encode())


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_as_clean_as_our_code(name: str, tmp_path: Path) -> None:
    file = name.replace(".", "/") + ".py"
    for command in (["ruff", "format", "--check"], ["ruff", "check"]):
        done = subprocess.run(
            [sys.executable, "-m", *command, "--stdin-filename", file, "-"],
            input=FILES[name],
            text=True,
            cwd=ROOT,
            env={**os.environ, "RUFF_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


# -- a step -------------------------------------------------------------------------------------


async def test_a_step_of_one_file_and_one_migration(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(settings, STEP_PAGE)
    module("keepsake.family.steps.people", PEOPLE, monkeypatch)
    asset: StepAsset = module("assets.family.people", PEOPLE_ASSET, monkeypatch)["PEOPLE"]
    line = replace(FAMILY, steps=(*FAMILY.steps, asset.step))
    with connect(settings.database_url) as connection:
        family = add_family(connection, "The Marlows")
        add_member(connection, family, "Rose")
        objects = FolderObjectsResource(folder=str(settings.objects_folder))
        new = NewResponse("Rose", NOON, text="Uncle Ted took us to the sea every summer.")
        async with open_pool(settings.database_url, size=1) as pool:
            added = await add_response(pool, objects.store(), settings, family, new)
        models = ModelsResource.of(settings)
        day = Window(line.name, NOON - timedelta(hours=12), NOON + timedelta(hours=12))
        order = RunSpec(day, ("transcripts", "people"), "a run", mode="due")
        async with (
            DatabaseResource(settings=settings).open_pool() as pool,
            models.open() as clients,
            open_tools(settings, pool, objects.store(), clients) as tools,
        ):
            await run_line(line, order, tools, pool=tools.pool, models=models.names())
        people = connection.execute("SELECT record_id, name FROM people").fetchall()
        refused = connection.execute("SELECT step, offered, refused FROM refusals").fetchall()
    assert people == [(added.record_id, "Uncle Ted")]
    assert refused == [("people", 2, 1)]


def test_the_step_extends_the_line_as_it_is() -> None:
    names = re.findall(r"[A-Z_]{3,}", LINE_OF_STEPS.partition("    LINE,")[2])
    assert [n for n in names if n != "PEOPLE"] == [s.name.upper() for s in FAMILY.steps]


# -- a line -------------------------------------------------------------------------------------


def test_a_line_of_a_few_files_carries_what_comes_in(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(settings, LINE_PAGE)
    made: dict[str, Any] = {}
    for name, source in RECIPES.items():
        made |= module(name, source, monkeypatch)
    with connect(settings.database_url) as connection:
        cook = add_owner(connection, "Ada")
        text = "Soda bread\n\n- 500 g flour\n- 400 ml buttermilk\n\nBake for an hour."
    added, again = (
        in_pool(settings.database_url, lambda pool: made["add_recipe"](pool, settings, cook, text))
        for _ in range(2)
    )
    with dg.DagsterInstance.ephemeral() as instance:
        defs = definitions(made, settings)
        for request in asked_for(
            instance, defs.resolve_sensor_def("new_recipes_records"), settings
        ):
            run(instance, defs, request)
    with connect(settings.database_url) as connection:
        found = connection.execute("SELECT * FROM ingredients ORDER BY position").fetchall()
        status = connection.execute("SELECT status FROM record_status").fetchall()
    assert (added.new, again) == (True, replace(added, new=False))
    assert found == [(added.record_id, 0, "500 g flour"), (added.record_id, 1, "400 ml buttermilk")]
    assert status == [("COMPLETED",)]


def test_tiers_and_switched_off_steps_work_for_a_new_line_without_its_own_code(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(settings, LINE_PAGE)
    recipe = module("keepsake.recipes.recipe", RECIPES["keepsake.recipes.recipe"], monkeypatch)
    with connect(settings.database_url) as connection:
        connection.execute(
            "UPDATE steps SET tiered = true WHERE line = 'recipes';"
            "INSERT INTO steps (line, name) VALUES ('recipes', 'summaries');"
            "INSERT INTO tier_limits (tier, line, newest) VALUES ('free', 'recipes', 1)"
        )
        cook = add_owner(connection, "Ada")
        without_summaries = settings.model_copy(update={"ai_summaries": False})

        async def add(pool: Pool) -> None:
            for text in ("Soda bread", "Rye bread"):
                await recipe["add_recipe"](pool, without_summaries, cook, text)

        in_pool(settings.database_url, add)
        held = connection.execute(
            "SELECT text, step, hold_reason FROM ledger JOIN recipes USING (record_id)"
            " ORDER BY step, record_id"
        ).fetchall()
    assert held == [
        ("Soda bread", "ingredients", "tier"),
        ("Rye bread", "ingredients", None),
        ("Soda bread", "summaries", "off"),
        ("Rye bread", "summaries", "off"),
    ]


def definitions(made: dict[str, Any], settings: Settings) -> dg.Definitions:
    """Ours, with the new line in the lists that the page names."""
    calendar = read_calendar(settings)
    line = dg.Definitions(
        assets=[made["recipes"], made["recipes_line"](settings, calendar)],
        jobs=[made["recipes_job"]],
        sensors=[made["new_recipes"](calendar)],
        schedules=[made["close_the_recipes_day"](calendar)],
    )
    return dg.Definitions.merge(build_defs(settings), line)


def asked_for(
    instance: dg.DagsterInstance, sensor: dg.SensorDefinition, settings: Settings
) -> Sequence[dg.RunRequest]:
    """The runs that one tick asks for."""
    resources = {"database": DatabaseResource(settings=settings), "settings": settings}
    with dg.build_sensor_context(instance, resources=resources) as context:
        result: Any = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result.run_requests or ()


def run(instance: dg.DagsterInstance, defs: dg.Definitions, request: dg.RunRequest) -> None:
    """One run, as the sensor asked for it."""
    defs.resolve_job_def("recipes_line").execute_in_process(
        instance=instance,
        partition_key=request.partition_key,
        asset_selection=list(request.asset_selection or ()),
        run_config=request.run_config,
        tags=dict(request.tags),
    )
