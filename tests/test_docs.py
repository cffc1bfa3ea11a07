"""What the documentation says is so: settings, names, commands, paths, links, SQL."""

import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.main import get_command

from definitions import build_defs
from keepsake.cli import app
from keepsake.database import connect
from keepsake.settings import Settings, load_settings
from tests.pages import PAGES, ROOT, blocks

VARIABLES = {name.upper() for name in Settings.model_fields}
# Names that belong to other programs than ours.
FOREIGN = {
    "OLLAMA_CONTEXT_LENGTH",
    "NO_COLOR",
    "FORCE_COLOR",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_SDK_DISABLED",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "parentbased_traceidratio",
    "pg_dump",
    "pg_restore",
    "keep_firing_for",
    "TOKEN",
    "RECORD",
    "JOB",
}
# What a page tells the reader to make.
EXAMPLES = {
    "assets/family/people.py",
    "assets/recipes/",
    "assets/recipes/ingredients.py",
    "assets/recipes/line.py",
    "assets/recipes/recipe_embeddings.py",
    "keepsake/family/steps/people.py",
    "keepsake/job_types/words.py",
    "keepsake/migrations/NNNN_people.sql",
    "keepsake/migrations/NNNN_recipes.sql",
    "keepsake/recipes/line.py",
    "keepsake/recipes/module.py",
    "keepsake/recipes/recipe.py",
    "keepsake/recipes/routes.py",
    "keepsake/recipes/steps/ingredients.py",
    "keepsake/recipes/steps/recipe_embeddings.py",
    "schedules/recipes.py",
    "sensors/recipes.py",
}
TOP = "assets|benchmarks|deploy|docs|keepsake|requirements|resources|schedules|sensors|tests"

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


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
    repository = build_defs(load_settings()).get_repository_def()
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
    fixed = {
        # What depends on where Keepsake is installed is told in words.
        name.upper(): "" if field.default_factory else default(field.default)
        for name, field in Settings.model_fields.items()
    }
    assert documented() == fixed


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
            if word.startswith("--") or not hasattr(command, "commands"):
                break
            assert word in command.commands, f"keepsake{words}"
            command = command.commands[word]
        options = {name for parameter in command.params for name in parameter.opts}
        assert set(re.findall(r"(?<= )--[\w-]+", words)) <= options | {"--help"}, words


@every_page
def test_every_make_target_exists(page: Path) -> None:
    # Not the tests' own environment: what their `make` was given (VENV, say) comes in it.
    env = {"PATH": os.environ["PATH"]}
    for target in re.findall(r"\bmake ([a-z.][\w./-]*)", "\n".join(code(page))):
        known = subprocess.run(
            ["make", "-n", target], cwd=ROOT, env=env, capture_output=True, check=False
        )
        assert known.returncode == 0, f"make {target}"


@every_page
def test_every_path_exists(page: Path) -> None:
    named = [path for text in inline(page) for path in re.findall(rf"^(?:{TOP})/[\w./-]*$", text)]
    named += re.findall(r"^`(\.?\w[\w-]*\.(?:toml|yaml))`$", "\n".join(inline(page)), re.M)
    assert not [p for p in named if p not in EXAMPLES and not (ROOT / p).exists()]


def test_the_rooms_of_the_library_are_drawn_in_the_layers_of_the_import_contract() -> None:
    (contract,) = [
        each
        for each in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
            "contracts"
        ]
        if each.get("containers") == ["keepsake"]
    ]
    (diagram,) = [b for b in blocks(ROOT / "docs/architecture.md", "mermaid") if "subgraph" in b]
    rows = re.findall(r"^    (.* --> .*)$", diagram, re.M)
    drawn = [set(layer.split(" & ")) for row in rows for layer in row.split(" --> ")]
    assert drawn == [set(layer.split(" | ")) for layer in contract["layers"]]


def test_every_room_of_the_library_is_described() -> None:
    rooms = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / "keepsake").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    page = (ROOT / "docs/architecture.md").read_text()
    described = re.findall(r"`([^`]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", page, re.M)))
    assert rooms - {"__init__.py"} <= set(described)


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
        assert connection.execute(query.encode()).statusmessage
