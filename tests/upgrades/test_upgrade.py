"""A database of an earlier version keeps all its results through the migrations.

`schema_14.sql.gz` is `pg_dump --schema=keepsake` of a data folder that the demo filled, with an
edit, tags by hand, a budget, deliveries, an import and a response that was not processed yet.
"""

import gzip
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from keepsake.bookmarks.line import BOOKMARKS
from keepsake.database import connect, migrate, migrations, open_pool
from keepsake.family.line import FAMILY
from keepsake.local.postgres import binaries
from keepsake.pipeline.line import Line
from keepsake.pipeline.run import run_line
from keepsake.pipeline.spec import RunSpec
from keepsake.pipeline.window import Window
from keepsake.running.line import RUNNING

DUMP = Path(__file__).with_name("schema_14.sql.gz")
NEW_TABLES = {"value_tags": "tags"}
NEW_STEPS = {
    ("family", "passages"): "embeddings",
    ("family", "value_tags"): "tags",
    ("bookmarks", "bookmark_passages"): "bookmark_embeddings",
}
# The tables whose rows a migration writes itself.
OWN_OF_THE_SCHEMA = {"migrations", "steps"}
# The models that made the results.
MODELS = {
    "chat": "smollm2-135m-instruct",
    "embeddings": "universal-sentence-encoder-multilingual-3/512",
    "transcription": "whisper-base",
    "speech": "hibari/default",
}
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def old_url(postgres_url: str) -> Iterator[str]:
    """URL of a database as the earlier version left it."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE an_upgrade")
        url = urlsplit(postgres_url)._replace(path="/an_upgrade").geturl()
        with psycopg.connect(url, autocommit=True) as itself:
            itself.execute("CREATE EXTENSION IF NOT EXISTS vector")
        subprocess.run(
            [binaries() / "psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", url],
            input=gzip.decompress(DUMP.read_bytes()),
            check=True,
            capture_output=True,
        )
        yield url
        connection.execute("DROP DATABASE an_upgrade WITH (FORCE)")


@pytest.fixture(scope="module")
def before(old_url: str) -> Rows:
    """Every row of every table, before the migrations."""
    return all_rows(old_url)


@pytest.fixture(scope="module")
def upgraded(old_url: str, before: Rows) -> str:
    """URL of the database after the migrations."""
    migrate(old_url)
    return old_url


def all_rows(url: str) -> Rows:
    """The rows of all tables, as JSON has them, in an order of their own."""
    with connect(url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'keepsake' ORDER BY 1"
        ).fetchall()
        return {
            table: [
                row
                for (row,) in connection.execute(
                    SQL("SELECT to_jsonb(t) FROM {} t").format(Identifier(table))
                )
            ]
            for (table,) in tables
        }


def test_no_row_is_lost_or_changed(before: Rows, upgraded: str) -> None:
    after = all_rows(upgraded)
    for table in before.keys() - OWN_OF_THE_SCHEMA:
        now = after[NEW_TABLES.get(table, table)]
        expected = [renamed(table, row) for row in before[table]]
        columns = {column for row in expected for column in row}
        shared = [{name: row[name] for name in row.keys() & columns} for row in now]
        assert in_order(shared) == in_order(expected), table


def renamed(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row as the migrations should leave it."""
    step = NEW_STEPS.get((row.get("line", "family"), row.get("step", "")))
    return {**row, "step": step} if step else row


def in_order(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def test_every_step_of_a_record_is_one_that_its_line_has(upgraded: str) -> None:
    known = {(line.name, s.name) for line in (FAMILY, BOOKMARKS, RUNNING) for s in line.steps}
    with connect(upgraded) as connection:
        stored = connection.execute(
            "SELECT line, step FROM ledger UNION SELECT line, step FROM spending"
            " UNION SELECT line, name FROM steps"
        ).fetchall()
    assert set(stored) == known


@pytest.mark.parametrize(
    ("line", "records"), [(FAMILY, 4), (BOOKMARKS, 5), (RUNNING, 8)], ids=lambda of: str(of)[:9]
)
async def test_a_backfill_finds_every_result_up_to_date(
    upgraded: str, line: Line, records: int
) -> None:
    # Those after were edited, or have not been processed: they are to be made.
    end = datetime(2026, 11, 15 if line is FAMILY else 20, tzinfo=UTC)
    steps = tuple(step.name for step in line.steps if step.name != "media")
    order = RunSpec(Window(line.name, datetime(2026, 1, 1, tzinfo=UTC), end), steps, "a run")
    tools: Any = None  # nothing is made, so none is used
    async with open_pool(upgraded) as pool:
        report = await run_line(line, order, tools, pool=pool, models=MODELS)
    assert {name: step.up_to_date for name, step in report.steps.items()} == dict.fromkeys(
        steps, records
    )


def test_the_dump_is_of_an_earlier_version(before: Rows) -> None:
    assert len(before["migrations"]) == 14 < len(migrations())
