"""A database with two owners and two users."""

from collections.abc import AsyncIterator

import pytest

from keepsake.database import AsyncConnection, Pool, open_pool


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Connections to a database with the owners 1 and 2, and the users 1 and 2."""
    async with open_pool(database_url, size=8) as pool:
        async with pool.connection() as connection:
            await connection.execute(
                "INSERT INTO owners (slug, name) VALUES ('ada', 'Ada'), ('ben', 'Ben')"
            )
            await connection.execute(
                "INSERT INTO users (email, name) VALUES ('a@example.org', 'A'),"
                " ('b@example.org', 'B')"
            )
        yield pool


@pytest.fixture
async def db(pool: Pool) -> AsyncIterator[AsyncConnection]:
    async with pool.connection() as connection:
        yield connection
