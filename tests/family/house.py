"""A family with a data folder and a database of its own, and the line that carries what it tells.

Everything is real: the engine, the steps, the database, the object store, and the models unless a
test names another endpoint.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg.rows import dict_row
from starlette.requests import Request
from starlette.responses import Response

from keepsake.clients.objects import open_objects
from keepsake.database import connect, open_pool
from keepsake.family.line import FAMILY
from keepsake.family.response import Family, NewResponse, add_family, add_member, add_response
from keepsake.pipeline.reports import Report
from keepsake.pipeline.run import run_line
from keepsake.pipeline.spec import EngineConfig, RunSpec
from keepsake.pipeline.window import Window
from keepsake.settings import Settings, load_settings
from keepsake.steps.tools import open_tools
from resources.database import DatabaseResource
from resources.models import ModelsResource
from resources.objects import objects_resource
from tests.doubles.openai_api import OpenAI
from tests.doubles.pace import FAST

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = Window("family", NOON - timedelta(hours=12), NOON + timedelta(hours=12))
STEPS = tuple(step.name for step in FAMILY.steps)


@dataclass(frozen=True)
class House:
    """The family, and where its things are."""

    settings: Settings
    url: str
    family: Family

    async def add(self, **response: Any) -> int:
        """Hand in a response, at noon unless told otherwise; the id of its record."""
        new = NewResponse(**{"member": "Rose", "recorded_at": NOON, **response})
        objects = open_objects(self.settings)
        async with open_pool(self.url, size=1) as pool:
            added = await add_response(pool, objects, self.settings, self.family.id, new)
        return added.record_id

    async def run(self, *steps: str, config: EngineConfig = FAST, **spec: Any) -> Report:
        """Carry what was handed in on the day through these steps, or all, as a run does."""
        models = ModelsResource.of(self.settings)
        asked = RunSpec(**{"window": DAY, "steps": steps or STEPS, "run_id": "a run", **spec})
        objects: Any = objects_resource(self.settings)
        async with (
            DatabaseResource(settings=self.settings).open_pool() as pool,
            models.open() as clients,
            open_tools(self.settings, pool, objects.store(), clients) as tools,
        ):
            return await run_line(
                FAMILY, asked, tools, pool=tools.pool, models=models.names(), config=config
            )

    @contextmanager
    def under(self, **settings: str) -> Iterator["House"]:
        """The same house under other settings, for the length of the block."""
        with _environment(settings):
            yield replace(self, settings=load_settings())

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        """What a query gives."""
        with connect(self.url) as db, db.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query.encode(), parameters).fetchall()

    def of(self, table: str, record_id: int) -> list[dict[str, Any]]:
        """What a step has stored of a record, in order."""
        order = "position" if table in ("passages", "quotes", "wisdom") else "record_id"
        return self.rows(f"SELECT * FROM {table} WHERE record_id = %s ORDER BY {order}", record_id)

    def change(self, statement: str, *parameters: Any) -> None:
        """Change the database by hand."""
        with connect(self.url) as db:
            db.execute(statement.encode(), parameters)

    def ledger(self, record_id: int) -> dict[str, dict[str, Any]]:
        """What the ledger says of a record, by step."""
        rows = self.rows("SELECT * FROM ledger WHERE record_id = %s", record_id)
        return {row["step"]: row for row in rows}

    def error(self, record_id: int, step: str) -> tuple[str, str]:
        """Type and message of what went wrong in a step."""
        row = self.ledger(record_id)[step]
        return row["error_type"], row["error_message"]

    def file(self, key: str) -> Path:
        """The file of an object."""
        return self.settings.objects_folder / key


@contextmanager
def open_house(
    url: str, home: Path, models_url: str, settings: Mapping[str, str] | None = None
) -> Iterator[House]:
    """A house on an empty database, with `settings` in force for the length of the block."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "up.json").write_text(json.dumps({"models_url": models_url}))
    with _environment({"KEEPSAKE_HOME": str(home), "DATABASE_URL": url, **(settings or {})}):
        with connect(url) as db:
            family = add_family(db, "The Marlows", time_zone="America/New_York")
            for member in ("Rose", "Sam"):
                add_member(db, family, member)
        yield House(load_settings(), url, family)


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(name, value)
        yield


class Storyteller(OpenAI):
    """A chat model that says what a test has it say, by the kind of answer it is asked for.

    Of several things it says one after the other, and the last from then on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, list[Any]] = {}
        self.meanwhile: dict[str, Callable[[], Any]] = {}  # done once while it answers this kind
        self.confused_by: str | None = None  # nonsense is all it says when asked about this

    def will(self, kind: str, *answers: Any) -> None:
        """Answer so, when asked for this kind (`Quotes`, `Values`, `Wisdom`, `Headline`)."""
        self.answers[kind] = list(answers)

    async def answer(self, request: Request) -> Response:
        if request.url.path.endswith("/chat/completions"):
            asked = await request.json()
            kind = asked["response_format"]["json_schema"]["name"]
            answers = self.answers[kind]
            if meanwhile := self.meanwhile.pop(kind, None):
                await asyncio.to_thread(meanwhile)
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if self.confused_by and self.confused_by in asked["messages"][-1]["content"]:
                answer = "What?"
            self.says = [answer if isinstance(answer, str) else json.dumps(answer)]
        return await super().answer(request)

    @property
    def prompts(self) -> list[str]:
        """What it was asked as the user, in order."""
        return [seen.json["messages"][-1]["content"] for seen in self.seen]
