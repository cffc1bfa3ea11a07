"""A receiver of messages, settings that send everything to it, and a database with an owner."""

from collections.abc import AsyncIterator, Iterator

import pytest

from keepsake.database import Connection, Pool, connect, open_pool
from keepsake.owners.owners import add_owner
from keepsake.settings import Settings, load_settings
from tests.doubles.server import serving
from tests.doubles.webhook import Webhook


@pytest.fixture
def webhook() -> Webhook:
    return Webhook()


@pytest.fixture
def settings(
    webhook: Webhook, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings that send every message to the webhook."""
    with serving(webhook) as address:
        monkeypatch.setenv("NOTIFY_URLS", address.replace("http:", "json:"))
        monkeypatch.setenv("DATABASE_URL", database_url)
        monkeypatch.setenv("QUOTE_HOUR", "0")
        yield load_settings()


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


@pytest.fixture
def ada(db: Connection) -> int:
    """Ada's id, an owner."""
    add_owner(db, "Ada")
    return 1


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, size=6) as pool:
        yield pool
