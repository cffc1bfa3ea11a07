"""What tests of types of jobs begin with: connections to their database."""

from collections.abc import AsyncIterator, Iterator

import pytest

from keepsake.database import Connection, Pool, connect, open_pool


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    """A connection to this test's database."""
    with connect(database_url) as connection:
        yield connection


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool of connections to the same database."""
    async with open_pool(database_url, size=2) as opened:
        yield opened
