"""Two families behind a real server, and clients with tokens of theirs."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from keepsake.accounts.permissions import PERMISSIONS
from keepsake.accounts.tokens import create_token
from keepsake.api.app import create_app
from keepsake.database import Connection, connect
from keepsake.family.response import Family, add_family, add_member
from keepsake.settings import Settings
from tests.api.serving import serving


@dataclass
class Door:
    """The API as its callers see it.

    Attributes:
        url: of the server.
        db: a connection that sees everything.
        settings: of the server.
        marlows, others: two families that do not know of each other.
    """

    url: str
    db: Connection
    settings: Settings
    marlows: Family
    others: Family
    clients: list[httpx.Client] = field(default_factory=list)

    def client(self, *scopes: str, owner: str = "the-marlows") -> httpx.Client:
        """A client with a token of an owner; without scopes: all of them."""
        return self._client(self._id_of(owner), scopes or tuple(PERMISSIONS))

    def operator(self) -> httpx.Client:
        """A client with the token of an operator."""
        return self._client(None, ())

    def _client(self, owner_id: int | None, scopes: Collection[str]) -> httpx.Client:
        token, _ = create_token(self.db, "test", owner_id=owner_id, scopes=scopes)
        client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=20
        )
        self.clients.append(client)
        return client

    def _id_of(self, slug: str) -> int:
        return next(f.id for f in (self.marlows, self.others) if f.slug == slug)


@pytest.fixture
def door(database_url: str, tmp_path: Path) -> Iterator[Door]:
    """A server on a database of its own."""
    with open_door(database_url, tmp_path) as opened:
        yield opened


@contextmanager
def open_door(database_url: str, home: Path, **more: str) -> Iterator[Door]:
    """A server on this database, with this data folder and other settings."""
    settings = Settings.model_validate(
        {"database_url": database_url, "keepsake_home": str(home), **more}
    )
    with connect(database_url) as db:
        marlows, others = add_family(db, "The Marlows"), add_family(db, "The Others")
        for family, name in ((marlows, "Rose"), (others, "Otto")):
            add_member(db, family, name)
        with serving(create_app(settings)) as url:
            door = Door(url, db, settings, marlows, others)
            yield door
            for client in door.clients:
                client.close()


@pytest.fixture
def rose(door: Door) -> httpx.Client:
    """A client that may do everything for the Marlows."""
    return door.client()


@pytest.fixture
def otto(door: Door) -> httpx.Client:
    """A client that may do everything for the Others, and nothing for the Marlows."""
    return door.client(owner="the-others")


@pytest.fixture
def nobody(door: Door) -> httpx.Client:
    """A client without a token."""
    client = httpx.Client(base_url=door.url, timeout=20)
    door.clients.append(client)
    return client
