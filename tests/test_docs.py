"""What the documentation says is so: settings, names, commands, paths, links, SQL, the example."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import SecretStr
from typer.main import get_command

from assets.family.line import FAMILY
from assets.line_assets import StepAsset
from definitions import build_defs
from keepsake.cli import app
from keepsake.database import connect
from keepsake.family import NewResponse, add_family, add_member, add_response
from keepsake.ledger import Window
from keepsake.line import Order, run_line
from keepsake.settings import Settings, load_settings
from resources.database import DatabaseResource
from resources.models import ModelsResource
from resources.objects import FolderObjectsResource
from resources.tools import open_tools
from tests.doubles.openai_api import OpenAI
from tests.doubles.server import serving

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
VARIABLES = {name.upper() for name in Settings.model_fields}
# Names that belong to other programs than ours.
FOREIGN = {"OLLAMA_CONTEXT_LENGTH", "pg_dump", "pg_restore"}
# What a page tells the reader to make.
EXAMPLES = {"assets/family/people.py", "keepsake/migrations/0006_people.sql"}
TOP = "assets|benchmarks|docs|keepsake|requirements|resources|schedules|sensors|tests"

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in these languages."""
    found = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", page.read_text(), re.M | re.S)
    return [block for language, block in found if language in languages]


def inline(page: Path) -> list[str]:
    """What stands between backticks in the text of a page."""
    prose = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.M | re.S)
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]


def code(page: Path) -> list[str]:
    """Shell lines and inline code, where commands and paths stand."""
    return [line for b in blocks(page, "sh") for line in b.splitlines()] + inline(page)


@cache
def clockwork() -> dict[str, str]:
    """Sensors and schedules by the name Dagster shows, with a schedule's times."""
    repository = build_defs().get_repository_def()
    names = {sensor.name: "" for sensor in repository.sensor_defs}
    return names | {each.name: str(each.cron_schedule) for each in repository.schedule_defs}


@cache
def sources() -> str:
    """All our code, to look names up in."""
    files = [ROOT / "definitions.py", ROOT / "dagster.yaml"]
    for folder in ("assets", "keepsake", "resources", "schedules", "sensors"):
        files += [p for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".sql")]
    return "\n".join(file.read_text() for file in files)


# -- settings -----------------------------------------------------------------------------------


def documented() -> dict[str, str]:
    """Default by variable, as the table of settings has them."""
    rows = re.findall(
        r"^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`)? ?\|", (ROOT / "docs/settings.md").read_text(), re.M
    )
    assert len(rows) == len(dict(rows)), "a setting stands twice in the table"
    return dict(rows)


def default(value: Any) -> str:
    """A default as the table writes it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_the_table_has_every_setting_with_its_default() -> None:
    fields = Settings.model_fields.items()
    assert documented() == {name.upper(): default(field.default) for name, field in fields}


def names_set(text: str) -> list[str]:
    """The variables that an environment file or a shell line sets."""
    return re.findall(r"^\s*(?:export )?([A-Z][A-Z0-9_]+)=", text, re.M)


@every_page
def test_no_name_is_used_that_the_code_does_not_know(page: Path) -> None:
    named = re.findall(r"(?<![\w/.-])[A-Za-z]\w*_\w+(?![\w/.-])", "\n".join(inline(page)))
    named += names_set("\n".join(blocks(page, "env", "sh")))
    unknown = {*named} - VARIABLES - FOREIGN - clockwork().keys()
    assert not {name for name in unknown if not re.search(rf"\b{name}\b", sources())}


def test_the_example_environment_names_only_settings() -> None:
    assert set(names_set((ROOT / ".env.example").read_text())) <= VARIABLES


@pytest.mark.parametrize("example", blocks(ROOT / "docs/settings.md", "env"))
def test_every_example_of_settings_is_accepted(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in example.splitlines():
        name, _, value = line.partition("=")
        assert name in VARIABLES
        monkeypatch.setenv(name, value)
    load_settings()


# -- what runs by itself ------------------------------------------------------------------------


def test_every_sensor_and_schedule_is_told_of_with_its_hour() -> None:
    rows = [line for page in PAGES for line in page.read_text().splitlines()]
    for name, times in clockwork().items():
        told = [row for row in rows if f"`{name}`" in row]
        assert told, name
        if hour := re.fullmatch(r"(\d+) (\d+) \* \* \S", times):
            assert any(f"{int(hour[2]):02}:{int(hour[1]):02}" in row for row in told), name


# -- commands, targets, paths, links ------------------------------------------------------------


@every_page
def test_every_command_exists(page: Path) -> None:
    for words in re.findall(
        r"(?:^\s*|&& |bin/)keepsake((?: [^\s&|#]+)+)", "\n".join(code(page)), re.M
    ):
        command: Any = get_command(app)
        for word in words.split():
            if not hasattr(command, "commands"):
                break
            assert word in command.commands, f"keepsake{words}"
            command = command.commands[word]
        options = {name for parameter in command.params for name in parameter.opts}
        assert set(re.findall(r"(?<= )--[\w-]+", words)) <= options | {"--help"}, words


@every_page
def test_every_make_target_exists(page: Path) -> None:
    for target in re.findall(r"\bmake ([a-z.][\w./-]*)", "\n".join(code(page))):
        known = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False)
        assert known.returncode == 0, f"make {target}"


@every_page
def test_every_path_exists(page: Path) -> None:
    named = [path for text in inline(page) for path in re.findall(rf"^(?:{TOP})/[\w./-]*$", text)]
    named += re.findall(r"^`(\.?\w[\w-]*\.(?:toml|yaml))`$", "\n".join(inline(page)), re.M)
    assert not [p for p in named if p not in EXAMPLES and not (ROOT / p).exists()]


@every_page
def test_every_link_between_pages_resolves(page: Path) -> None:
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


# The pages on adding things show migrations instead.
QUERIES = [
    query for page in PAGES if not page.name.startswith("adding-") for query in blocks(page, "sql")
]


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_runs(query: str, database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute(query.encode())


# -- the worked example -------------------------------------------------------------------------

LESSON = ROOT / "docs/adding-a-step.md"
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


async def test_the_worked_example_works(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (migration,), step = blocks(LESSON, "sql"), lesson_step(monkeypatch)
    line = replace(FAMILY, steps=(*FAMILY.steps, step.step))
    with connect(settings.database_url) as connection:
        with connection.transaction():
            connection.execute(migration.encode())
        family = add_family(connection, "The Marlows")
        add_member(connection, family, "Rose")
        objects = FolderObjectsResource(folder=str(settings.objects_folder))
        new = NewResponse("Rose", NOON, text="Uncle Ted took us to the sea every summer.")
        added = await add_response(connection, objects.store(), settings, family, new)
        models = ModelsResource.of(settings)
        day = Window(line.name, NOON - timedelta(hours=12), NOON + timedelta(hours=12))
        order = Order(day, ("transcripts", "people"), "a run", take="due")
        async with open_tools(DatabaseResource(), objects, models) as tools:
            await run_line(line, order, tools, pool=tools.pool, models=models.names())
        people = connection.execute("SELECT record_id, name FROM people").fetchall()
        refused = connection.execute("SELECT step, offered, refused FROM refusals").fetchall()
    assert people == [(added.record_id, "Uncle Ted")]
    assert refused == [("people", 2, 1)]


def lesson_step(monkeypatch: pytest.MonkeyPatch) -> StepAsset:
    """The step of the worked example, run as it stands on the page."""
    source, _ = blocks(LESSON, "python")
    module = ModuleType("assets.family.people")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where its classes look names up
    exec(compile(source, "people.py", "exec"), module.__dict__)
    step: StepAsset = module.__dict__["PEOPLE"]
    return step


def test_the_worked_example_extends_the_line_as_it_is() -> None:
    _, lines = blocks(LESSON, "python")
    names = re.findall(r"[A-Z_]{3,}", lines.partition("STEP_ASSETS = ")[2])
    assert [n for n in names if n != "PEOPLE"] == [s.name.upper() for s in FAMILY.steps]


def test_the_worked_example_is_as_clean_as_our_code(tmp_path: Path) -> None:
    source, _ = blocks(LESSON, "python")
    for command in (["ruff", "format", "--check"], ["ruff", "check"]):
        done = subprocess.run(
            [sys.executable, "-m", *command, "--stdin-filename", "assets/family/people.py", "-"],
            input=source,
            text=True,
            cwd=ROOT,
            env={**os.environ, "RUFF_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
