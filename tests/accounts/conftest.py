"""What tests of accounts begin with: two owners, and connections to their database."""

from collections.abc import AsyncIterator, Iterator

import pytest

from keepsake.accounts.users import User, add_user, set_role
from keepsake.database import Connection, Pool, connect, open_pool
from keepsake.owners.owners import Owner, add_owner


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


@pytest.fixture
def family(db: Connection) -> Owner:
    """An owner."""
    return add_owner(db, "Miller")


@pytest.fixture
def runner(db: Connection) -> Owner:
    """Another owner."""
    return add_owner(db, "Ben")


@pytest.fixture
def ada(db: Connection, family: Owner) -> User:
    """An editor of the family."""
    user = add_user(db, "Ada@example.org", "Ada")
    set_role(db, owner_id=family.id, user_id=user.id, role="editor")
    return user
