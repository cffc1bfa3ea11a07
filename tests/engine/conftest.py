"""The toy line's world, with the waits of the engine cut short."""

from collections.abc import AsyncIterator

import pytest

from keepsake.database import connect, open_pool
from keepsake.pipeline import engine, writer

from .toy import STEPS, World


@pytest.fixture
async def world(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """An empty toy line on a database of its own."""
    monkeypatch.setattr(writer, "FLUSH_SECONDS", 0.02)
    monkeypatch.setattr(engine, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(writer, "WRITE_PAUSES", (0.02, 0.02, 0.02))
    async with open_pool(database_url) as pool:
        with connect(database_url) as db:
            db.execute(
                "CREATE TABLE toy (record_id bigint REFERENCES records ON DELETE CASCADE,"
                " step text, result text, PRIMARY KEY (record_id, step))"
            )
            db.execute("INSERT INTO owners (slug, name) VALUES ('ada', 'Ada')")
            for step in STEPS:
                db.execute("INSERT INTO steps (line, name) VALUES ('toy', %s)", (step,))
            yield World(database_url, pool, db)
