"""An owner with bookmarks, a site on loopback that they point to, and the line that carries them.

Everything is real but the site, and the chat model where a test wants it to say something.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg.rows import dict_row
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from keepsake.bookmarks.bookmark import NewBookmark, add_bookmark
from keepsake.bookmarks.line import BOOKMARKS
from keepsake.database import connect
from keepsake.owners.owners import Owner, add_owner
from keepsake.pipeline.reports import Report
from keepsake.pipeline.run import run_line
from keepsake.pipeline.spec import EngineConfig, RunSpec
from keepsake.pipeline.window import Window
from keepsake.records.adding import Added
from keepsake.settings import Settings, load_settings
from keepsake.steps.tools import open_tools
from resources.database import DatabaseResource
from resources.models import ModelsResource
from resources.objects import objects_resource
from tests.doubles.pace import FAST
from tests.doubles.server import Double
from tests.given import in_pool

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = Window("bookmarks", NOON - timedelta(hours=12), NOON + timedelta(hours=12))
STEPS = tuple(step.name for step in BOOKMARKS.steps)


@dataclass(frozen=True)
class Shelf:
    """The owner, and where the things are."""

    settings: Settings
    url: str
    owner: Owner

    def add(self, address: str, **bookmark: Any) -> int:
        """Save a bookmark, at noon unless told otherwise; the id of its record."""
        return self.added(address, **bookmark).record_id

    def added(self, address: str, **bookmark: Any) -> Added:
        """The same, with whether it is new."""
        new = NewBookmark(**{"url": address, "recorded_at": NOON, **bookmark})
        return in_pool(self.url, lambda pool: add_bookmark(pool, self.settings, self.owner.id, new))

    async def run(self, *steps: str, config: EngineConfig = FAST, **spec: Any) -> Report:
        """Carry the day's bookmarks through these steps, or all, as a run does."""
        models = ModelsResource.of(self.settings)
        asked = RunSpec(**{"window": DAY, "steps": steps or STEPS, "run_id": "a run", **spec})
        objects: Any = objects_resource(self.settings)
        async with (
            DatabaseResource(settings=self.settings).open_pool() as pool,
            models.open() as clients,
            open_tools(self.settings, pool, objects.store(), clients) as tools,
        ):
            return await run_line(
                BOOKMARKS, asked, tools, pool=tools.pool, models=models.names(), config=config
            )

    @contextmanager
    def under(self, **settings: str) -> Iterator["Shelf"]:
        """The same shelf under other settings, for the length of the block."""
        with environment(settings):
            yield replace(self, settings=load_settings())

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        """What a query gives."""
        with connect(self.url) as db, db.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query.encode(), parameters).fetchall()

    def of(self, table: str, record_id: int) -> list[dict[str, Any]]:
        """What a step has stored of a record."""
        return self.rows(f"SELECT * FROM {table} WHERE record_id = %s", record_id)

    def page(self, record_id: int) -> dict[str, Any]:
        """The page of a bookmark."""
        (page,) = self.of("pages", record_id)
        return page

    def keywords(self, record_id: int) -> dict[str, str]:
        """The keywords of a bookmark, with their source."""
        return {row["keyword"]: row["source"] for row in self.of("keywords", record_id)}

    def change(self, statement: str, *parameters: Any) -> None:
        """Change the database by hand."""
        with connect(self.url) as db:
            db.execute(statement.encode(), parameters)

    def status(self, record_id: int) -> str:
        """The status of a record, as people see it."""
        (row,) = self.rows("SELECT status FROM record_status WHERE record_id = %s", record_id)
        return str(row["status"])

    def ledger(self, record_id: int) -> dict[str, dict[str, Any]]:
        """What the ledger says of a record, by step."""
        rows = self.rows("SELECT * FROM ledger WHERE record_id = %s", record_id)
        return {row["step"]: row for row in rows}

    def error(self, record_id: int, step: str) -> tuple[str, str]:
        """Type and message of what went wrong in a step."""
        row = self.ledger(record_id)[step]
        return row["error_type"], row["error_message"]


@contextmanager
def open_shelf(
    url: str, home: Path, models_url: str, settings: Mapping[str, str]
) -> Iterator[Shelf]:
    """A shelf on an empty database, with `settings` in force for the length of the block."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "up.json").write_text(json.dumps({"models_url": models_url}))
    base = {
        "KEEPSAKE_HOME": str(home),
        "DATABASE_URL": url,
        "WEB_ALLOW": "127.0.0.1",
        "WEB_HOST_INTERVAL": "0",
        "APART_PROCESSES": "1",
    }
    with environment({**base, **settings}):
        with connect(url) as db:
            owner = add_owner(db, "Rose")
        yield Shelf(load_settings(), url, owner)


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """These settings in force for the length of the block."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield


class Pages(Double):
    """A small site: pages by path, with ETags."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[str, tuple[str, str]] = {}  # path: (content type, text)
        self.address = ""

    def put(self, path: str, text: str, content_type: str = "text/html; charset=utf-8") -> str:
        """Show a page, and return its address."""
        self.pages[path] = (content_type, text)
        return self.address + path

    def asked_for(self, path: str) -> int:
        """How often a page was asked for."""
        return sum(seen.path == path for seen in self.seen)

    async def answer(self, request: Request) -> Response:
        if request.url.path not in self.pages:
            return PlainTextResponse("nothing here", 404)
        content_type, text = self.pages[request.url.path]
        etag = f'"{hash(text)}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag})
        return Response(text, headers={"content-type": content_type, "etag": etag})


def article(title: str, *paragraphs: str) -> str:
    """A page as blogs write them."""
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return (
        f"<!doctype html><html lang=en><head><title>{title}</title></head>"
        f"<body><article><h1>{title}</h1>{body}</article></body></html>"
    )


BREAD = (
    "Sourdough bread needs time more than anything else. Feed the starter with flour and water "
    "the evening before you want to bake.",
    "Knead the dough for ten minutes, and let it rest overnight in a cool place. In the morning "
    "it has doubled in size, and smells a little like apples.",
    "Bake it in a very hot oven for forty minutes, with a bowl of water below. The crust should "
    "be dark, and the crumb open and soft.",
)
