"""The worked examples of the documentation, run as they stand on their pages."""

import asyncio
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import httpx
import pytest
from rich.console import Console

from assets.line_assets import StepAsset
from assets.partitions import read_calendar
from definitions import build_defs
from keepsake import lines
from keepsake.access import keep_owners_apart
from keepsake.accounts.tokens import create_token
from keepsake.api.app import create_app
from keepsake.cli.reading import show_document
from keepsake.clients.objects import open_objects
from keepsake.database import Pool, connect, open_pool
from keepsake.family.line import FAMILY
from keepsake.family.response import NewResponse, add_family, add_member, add_response
from keepsake.line_module import View
from keepsake.owners.owners import Owner, add_owner
from keepsake.pipeline.run import run_line
from keepsake.pipeline.spec import RunSpec
from keepsake.pipeline.window import Window
from keepsake.records.adding import Added
from keepsake.records.lookup import owner_of
from keepsake.search.listing import list_records
from keepsake.search.search import search_once
from keepsake.settings import Settings, load_settings
from keepsake.show import Document, read_document, render_page
from keepsake.steps.tools import open_tools
from resources.database import DatabaseResource
from resources.models import ModelsResource
from resources.objects import FolderObjectsResource
from tests.api.serving import serving as served
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
            "keepsake.recipes.steps.recipe_embeddings",
            "keepsake.recipes.line",
            "keepsake.recipes.routes",
            "keepsake.recipes.module",
            "assets.recipes.ingredients",
            "assets.recipes.recipe_embeddings",
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


class Models(OpenAI):
    """Embeds, and names two people, one of whom nobody spoke of."""

    def __init__(self) -> None:
        super().__init__()
        self.says = [json.dumps({"people": ["Uncle Ted", "Napoleon"]})]


@pytest.fixture
def settings(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings of a house whose chat model names people."""
    with serving(Models()) as address:
        for name, value in {
            "KEEPSAKE_HOME": str(tmp_path),
            "DATABASE_URL": database_url,
            "CHAT_BASE_URL": f"{address}/v1",
            "CHAT_MODEL": "some-model",
            "EMBEDDINGS_BASE_URL": f"{address}/v1",
            "EMBEDDINGS_MODEL": "another-model",
            "EMBEDDINGS_DIMENSIONS": "4",
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
    """Apply the migration of a page, as `keepsake db migrate` does."""
    (migration,) = blocks(page, "sql")
    with connect(settings.database_url) as connection, connection.transaction():
        connection.execute(migration.encode())
        keep_owners_apart(connection)


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
            added = await add_response(pool, objects.store(), settings, family.id, new)
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


TEXT = "Soda bread\n\n- 500 g flour\n- 400 ml buttermilk\n\nBake for an hour."


@pytest.fixture
def recipes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the files of the page define, with the line migrated and registered."""
    migrate(settings, LINE_PAGE)
    made: dict[str, Any] = {}
    for name, source in RECIPES.items():
        made |= module(name, source, monkeypatch)
    monkeypatch.setattr(lines, "LINES", (*lines.LINES, made["MODULE"]))
    return made


def add_one(recipes: dict[str, Any], settings: Settings, cook: Owner, text: str) -> Added:
    """Add a recipe as the line does."""
    added: Added = in_pool(
        settings.database_url, lambda pool: recipes["add_recipe"](pool, settings, cook.id, text)
    )
    return added


def test_a_line_of_a_few_files_carries_what_comes_in(
    settings: Settings, recipes: dict[str, Any]
) -> None:
    with connect(settings.database_url) as connection:
        cook = add_owner(connection, "Ada")
    added, again = (add_one(recipes, settings, cook, TEXT) for _ in range(2))
    run_what_is_due(recipes, settings)
    with connect(settings.database_url) as connection:
        found = connection.execute(
            "SELECT record_id, position, ingredient FROM ingredients ORDER BY position"
        ).fetchall()
        status = connection.execute("SELECT status FROM record_status").fetchall()
    assert (added.created, again) == (True, replace(added, created=False))
    assert found == [(added.record_id, 0, "500 g flour"), (added.record_id, 1, "400 ml buttermilk")]
    assert status == [("COMPLETED",)]


def test_a_record_of_a_new_line_comes_in_over_http(
    settings: Settings, recipes: dict[str, Any]
) -> None:
    with connect(settings.database_url) as connection:
        token, _ = create_token(
            connection, "a test", owner_id=add_owner(connection, "Ada").id, scopes=["ingest"]
        )
    signed_in = {"Authorization": f"Bearer {token}"}
    with served(create_app(settings)) as url:
        answer = httpx.post(f"{url}/api/recipes", json={"text": TEXT}, headers=signed_in)
    with connect(settings.database_url) as connection:
        stored = connection.execute("SELECT record_id, title FROM recipes").fetchall()
    assert answer.status_code == 201
    assert stored == [(answer.json()["id"], "Soda bread")]


def test_a_record_of_a_new_line_is_listed_and_shown_with_its_title(
    settings: Settings, recipes: dict[str, Any]
) -> None:
    with connect(settings.database_url) as connection:
        cook = add_owner(connection, "Ada")
        add_one(recipes, settings, cook, "Rye bread\n\n- 300 g rye flour")
        record_id = add_one(recipes, settings, cook, TEXT).record_id
        (listed,) = list_records(connection, words="soda")
        objects, owner_id = open_objects(settings), owner_of(connection, record_id)
        document = read_document(connection, objects, owner_id, record_id)
    assert (listed.id, listed.line, listed.title) == (record_id, "recipes", "Soda bread")
    assert document.title == "Soda bread"
    assert "Soda bread" in console_output(document)


@dataclass(frozen=True)
class Dish:
    """What a recipe's view reads of it."""

    title: str
    language: str

    def objects(self) -> Iterator[tuple[str, str]]:
        """No objects."""
        return iter(())


async def test_a_new_line_shows_its_records_by_a_view_of_its_own(
    settings: Settings, recipes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = tmp_path / "view.html.j2"
    template.write_text(
        '{% extends "record.html.j2" %}'
        "{% block made %}<h2>Serve {{ made.title }}</h2>{% endblock %}"
    )
    view = View(
        read=lambda *_: Dish("Soda bread", "he"),
        write=lambda out, _, made: out.line(f"Bake {made.title}"),
        template=template,
    )
    shown = replace(recipes["MODULE"], load_view=lambda: view)
    monkeypatch.setattr(lines, "LINES", (*lines.LINES[:-1], shown))
    objects = open_objects(settings)
    with connect(settings.database_url) as connection:
        cook = add_owner(connection, "Ada")
        record_id = add_one(recipes, settings, cook, TEXT).record_id
        document = read_document(connection, objects, cook.id, record_id)
    assert "Bake Soda bread" in console_output(document)
    page = await render_page(document, objects)
    assert "<h2>Serve Soda bread</h2>" in page
    assert 'dir="rtl"' in page


async def test_a_search_finds_a_record_of_a_new_line_by_words_before_it_has_passages(
    settings: Settings, recipes: dict[str, Any]
) -> None:
    with connect(settings.database_url) as connection:
        cook = add_owner(connection, "Ada")
        record_id = add_one(recipes, settings, cook, TEXT).record_id
        answer = await search_once(settings.database_url, settings, "buttermilk", owner_id=cook.id)
    assert [(hit.record_id, hit.title) for hit in answer.hits] == [(record_id, "Soda bread")]
    assert answer.hits[0].similarity is None
    assert answer.processing == 1


async def test_a_search_finds_a_record_of_a_new_line_by_meaning(
    settings: Settings, recipes: dict[str, Any]
) -> None:
    with connect(settings.database_url) as connection:
        cook = add_owner(connection, "Ada")
        record_id = add_one(recipes, settings, cook, TEXT).record_id
    await asyncio.to_thread(run_what_is_due, recipes, settings)
    with connect(settings.database_url) as connection:
        answer = await search_once(
            settings.database_url, settings, "something sour", owner_id=cook.id
        )
    assert [(hit.record_id, hit.title) for hit in answer.hits] == [(record_id, "Soda bread")]
    assert answer.hits[0].similarity is not None
    assert answer.processing == 0


async def test_a_search_finds_a_record_of_a_line_without_embeddings_by_words(
    settings: Settings, recipes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    without = replace(recipes["MODULE"], embeddings=None)
    monkeypatch.setattr(lines, "LINES", (*lines.LINES[:-1], without))
    with connect(settings.database_url) as connection:
        cook = add_owner(connection, "Ada")
        record_id = add_one(recipes, settings, cook, TEXT).record_id
        connection.execute("DELETE FROM ledger WHERE step = 'recipe_embeddings'")
        answer = await search_once(settings.database_url, settings, "buttermilk", owner_id=cook.id)
    assert [(hit.record_id, hit.title) for hit in answer.hits] == [(record_id, "Soda bread")]


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
                await recipe["add_recipe"](pool, without_summaries, cook.id, text)

        in_pool(settings.database_url, add)
        held = connection.execute(
            "SELECT text, step, hold_reason FROM ledger JOIN recipes USING (record_id)"
            " ORDER BY step, record_id"
        ).fetchall()
    assert held == [
        ("Soda bread", "ingredients", "tier"),
        ("Rye bread", "ingredients", None),
        ("Soda bread", "recipe_embeddings", "tier"),
        ("Rye bread", "recipe_embeddings", None),
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


def console_output(document: Document) -> str:
    """What `keepsake show` prints."""
    out = Console(file=io.StringIO())
    show_document(out, document)
    return str(out.file.getvalue())  # type: ignore[attr-defined]


def run_what_is_due(made: dict[str, Any], settings: Settings) -> None:
    """One tick of the sensor, and the runs that it asks for."""
    with dg.DagsterInstance.ephemeral() as instance:
        defs = definitions(made, settings)
        for request in asked_for(
            instance, defs.resolve_sensor_def("new_recipes_records"), settings
        ):
            run(instance, defs, request)


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
