"""A database with an owner, for tests of figures."""

from collections.abc import Iterator

import pytest

from keepsake.database import Connection, connect
from keepsake.owners.owners import add_owner


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    """A connection to this test's database."""
    with connect(database_url) as connection:
        yield connection


@pytest.fixture
def ada(db: Connection) -> int:
    """Ada's id, an owner in Kolkata."""
    return add_owner(db, "Ada", time_zone="Asia/Kolkata").id
