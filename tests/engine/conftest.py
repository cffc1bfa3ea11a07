"""The toy line's world."""

from collections.abc import AsyncIterator

import pytest

from keepsake.database import connect, open_pool

from .toy import STEPS, World


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """An empty toy line on a database of its own."""
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
