"""A database of an earlier version keeps all its results through the migrations.

`schema_14.sql.gz` is `pg_dump --schema=keepsake` of a data folder that the demo filled, with an
edit, tags by hand, a budget, deliveries, an import and a response that was not processed yet.
"""

import gzip
import json
import re
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
from keepsake.delivery.outbox import deliver
from keepsake.embedded.postgres import binaries
from keepsake.family.daily_quote import DAILY_QUOTE
from keepsake.family.line import FAMILY
from keepsake.family.mornings import enqueue_due
from keepsake.family.weekly_prompts import WEEKLY_PROMPTS
from keepsake.import_messages import enqueue_import_messages
from keepsake.pipeline.line import Line
from keepsake.pipeline.run import run_line
from keepsake.pipeline.spec import RunSpec
from keepsake.pipeline.window import Window
from keepsake.running.line import RUNNING
from keepsake.settings import Settings
from tests.doubles.server import serving
from tests.doubles.webhook import Webhook

DUMP = Path(__file__).with_name("schema_14.sql.gz")
NEW_TABLES = {"value_tags": "tags"}
NEW_COLUMNS = {
    ("families", "id"): "owner_id",
    **{
        (table, "family_id"): "owner_id"
        for table in ("members", "vocabulary", "interview_prompts", "responses", "value_tags")
    },
}
NEW_STEPS = {
    ("family", "passages"): "embeddings",
    ("family", "value_tags"): "tags",
    ("bookmarks", "bookmark_passages"): "bookmark_embeddings",
}
WAIT_REASONS = {"OverBudget": "budget", "Waiting": "need"}
NEW_COUNTS = {"added": "created", "known": "duplicates", "refused": "rejected"}  # of batches
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
        with connect(url) as itself:  # what the dump cannot have: a try left on the present day
            itself.execute(
                "INSERT INTO deliveries (family_id, kind, day, record_id, position, status, detail)"
                " VALUES (1, 'daily_quote', (now() AT TIME ZONE 'America/New_York')::date, 1, 0,"
                " 'failed', 'the server was away'), (1, 'daily_quote', '2026-11-19', 1, 0,"
                " 'failed', 'the server was away')"
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
    for table in before.keys() - OWN_OF_THE_SCHEMA - {"deliveries"}:
        now = after[NEW_TABLES.get(table, table)]
        expected = [renamed(table, row) for row in before[table]]
        columns = {column for row in expected for column in row}
        shared = [{name: row[name] for name in row.keys() & columns} for row in now]
        assert in_order(shared) == in_order(expected), table


def test_every_row_of_a_record_has_its_owner(upgraded: str) -> None:
    after = all_rows(upgraded)
    owners = {record["id"]: record["owner_id"] for record in after["records"]}
    assert len(set(owners.values())) > 1
    for table, rows in after.items():
        for row in rows:
            if (record_id := row.get("record_id")) is not None and table != "loose_objects":
                assert row["owner_id"] == owners[record_id], table


def renamed(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row as the migrations should leave it."""
    row = {NEW_COLUMNS.get((table, name), name): value for name, value in row.items()}
    if table == "batches":
        row = {**row, "completed_at": row["told_at"]}
        del row["told_at"], row["told"]  # now of the outbox
        for old, new in NEW_COUNTS.items():
            row[new] = row.pop(old)
    step = NEW_STEPS.get((row.get("line", "family"), row.get("step", "")))
    row = {**row, "step": step} if step else row
    return waiting(row) if table == "ledger" else row


def waiting(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the ledger with what it waits for in columns of its own, not among errors."""
    row = {"wait_reason": None, "waits_for": None, "hold_reason": row["held"], **row}
    del row["held"]
    if reason := WAIT_REASONS.get(row["error_type"]):
        need = re.fullmatch("waits for (.+)", row["error_message"])
        return row | {
            "wait_reason": reason,
            "waits_for": need and {"passages": "embeddings"}.get(need[1], need[1]),
            "error_type": None,
            "error_message": None,
        }
    return row


def in_order(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def test_messages_of_the_past_are_in_the_outbox(upgraded: str) -> None:
    found = [
        (row["owner_id"], row["idempotency_key"], row["status"], row["attempts"], row["detail"])
        for row in sorted(all_rows(upgraded)["outbox"], key=lambda row: str(row["idempotency_key"]))
    ]
    assert found == [
        (1, "daily_quote/2026-11-19", "expired", 1, "the server was away"),
        (1, "daily_quote/2026-11-20", "sent", 1, "sent to 1 address"),
        (1, "daily_quote/2026-11-21", "failed", 3, "the server refused it"),
        (1, "daily_quote/2026-11-22", "unknown", 1, "broke off while it was sent"),
        (2, "import/1", "sent", 1, "sent to 1 address"),
    ]


async def test_nothing_is_sent_again_and_what_may_be_tried_again_still_goes_out(
    upgraded: str,
) -> None:
    webhook = Webhook()
    with serving(webhook) as address:
        settings = Settings.model_validate(
            {"notify_urls": address.replace("http:", "json:"), "quote_hour": 0}
        )
        async with open_pool(upgraded) as pool:
            for _ in range(2):
                await enqueue_due(pool, settings, DAILY_QUOTE)
                await enqueue_due(pool, settings, WEEKLY_PROMPTS)
                await enqueue_import_messages(pool)
                await deliver(pool, settings)
    quotes = [message for message in webhook.messages if "the quote of the day" in message]
    assert len(quotes) == 1, "today's, which had failed once"
    assert not [message for message in webhook.messages if "an import is done" in message]


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


def test_what_waited_says_so_and_has_no_error(upgraded: str) -> None:
    with connect(upgraded) as connection:
        rows = connection.execute(
            "SELECT wait_reason, waits_for, error_type, error_message FROM ledger"
            " WHERE wait_reason IS NOT NULL ORDER BY 1"
        ).fetchall()
    assert rows == [("budget", None, None, None), ("need", "transcripts", None, None)]
