"""A family with a podcast behind a real server, and a listener with the address of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import feedparser
import pytest

from keepsake.accounts.listeners import add_listener
from keepsake.api.app import create_app
from keepsake.clients.objects import ObjectStore, open_objects
from keepsake.database import Connection, connect
from keepsake.family.response import Family, add_family, add_member
from keepsake.settings import Settings
from tests.api.serving import serving
from tests.stores import new_bucket, s3_settings

from .episodes import given_episode
from .player import Player

PUBLIC = "https://keepsake.example"


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


@pytest.fixture
def marlows(db: Connection) -> Family:
    """A family of two."""
    family = add_family(db, "The Marlows", time_zone="America/New_York")
    for name in ("Rose", "Sam"):
        add_member(db, family, name)
    return family


@dataclass
class Radio:
    """A family's podcast, as it is served.

    Attributes:
        url: of the server.
        db: a connection that sees everything.
        store: where its files are.
        family: whose podcast.
        token: of the listener.
        player: the listener's.
    """

    url: str
    db: Connection
    store: ObjectStore
    family: Family
    token: str
    player: Player

    @property
    def feed(self) -> str:
        """The address that the listener was given."""
        return f"{PUBLIC}/feeds/{self.token}.xml"

    def add(self, title: str, **what: Any) -> int:
        """Add an episode."""
        return given_episode(self.db, self.store, self.family, title, **what)

    def new_token(self, name: str) -> str:
        """The token of another listener."""
        return add_listener(self.db, self.family.id, name)[0]

    def titles(self) -> list[str]:
        """What is in the feed now."""
        answer = self.player.get(self.feed)
        assert answer.status_code == 200
        return [entry.title for entry in feedparser.parse(answer.content).entries]


OpensRadio = Callable[..., Radio]


@pytest.fixture
def opens_radio(
    database_url: str, db: Connection, marlows: Family, tmp_path: Path
) -> Iterator[OpensRadio]:
    """Serves the family's podcast under these settings until the end of the test."""
    with ExitStack() as stack:

        def opens(**settings: str) -> Radio:
            home = tmp_path / "home"
            home.mkdir(exist_ok=True)
            given = {"database_url": database_url, "keepsake_home": str(home)}
            in_force = Settings.model_validate({"public_url": PUBLIC, **given, **settings})
            url = stack.enter_context(serving(create_app(in_force)))
            token, _ = add_listener(db, marlows.id, "Grandson Tom")
            player = Player(PUBLIC, url)
            stack.callback(player.client.close)
            return Radio(url, db, open_objects(in_force), marlows, token, player)

        yield opens


@pytest.fixture
def radio(opens_radio: OpensRadio) -> Radio:
    """A podcast without episodes, whose files are in a folder."""
    return opens_radio()


@pytest.fixture(params=["folder", "bucket"])
def radio_anywhere(request: pytest.FixtureRequest, opens_radio: OpensRadio) -> Radio:
    """The same, and once more with the files in a bucket."""
    if request.param == "folder":
        return opens_radio()
    endpoint = request.getfixturevalue("s3_endpoint")
    return opens_radio(**s3_settings(endpoint, new_bucket(endpoint)))
