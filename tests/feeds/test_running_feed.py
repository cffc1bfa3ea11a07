"""The weeks of a runner as an Atom feed, as readers fetch it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import feedparser
import pytest

from keepsake.accounts.listeners import add_listener
from keepsake.api.app import create_app
from keepsake.clients.objects import open_objects
from keepsake.database import connect
from keepsake.running.weekly import make_digests
from keepsake.settings import Settings
from tests.api.serving import serving
from tests.running.runner import Runner, new_runner

from .conftest import PUBLIC
from .player import Player

WEEKS = [date(2026, 4, 27), date(2026, 5, 4)]


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    home = {"database_url": database_url, "keepsake_home": str(tmp_path), "public_url": PUBLIC}
    return Settings.model_validate(home)


@pytest.fixture
def ada(database_url: str) -> Runner:
    """A runner with runs in two weeks."""
    runner = new_runner(database_url)
    runner.ran("2026-04-28T07:00", 8)
    letter_of = runner.ran("2026-05-09T08:00", 10, title="Over the <b>hill</b> & back")
    with connect(database_url) as db:
        db.execute(
            "INSERT INTO letters (record_id, owner_id, letter)"
            " VALUES (%s, %s, 'Dear Ada,\n\nwhat a hill \x01& what a view.')",
            (letter_of, runner.owner.id),
        )
    return runner


@pytest.fixture
def reader(ada: Runner, settings: Settings) -> Iterator[Player]:
    """A feed reader; what the server says is under `local`."""
    with serving(create_app(settings)) as url:
        player = Player(PUBLIC, url)
        yield player
        player.client.close()


def _tell(ada: Runner, settings: Settings, *weeks: date) -> None:
    with connect(ada.url) as db:
        make_digests(db, open_objects(settings), ada.owner, weeks)


def _address(ada: Runner) -> str:
    with connect(ada.url) as db:
        token, _ = add_listener(db, ada.owner.id, "reader")
    return f"{PUBLIC}/feeds/{token}/running.atom"


def test_a_reader_sees_the_weeks(ada: Runner, settings: Settings, reader: Player) -> None:
    _tell(ada, settings, *WEEKS)
    feed = reader.refresh(_address(ada))
    assert feed is not None
    assert (feed.version, feed.feed.title) == ("atom10", f"{ada.owner.name}’s weeks of running")
    assert [entry.title for entry in feed.entries] == [
        "4 May 2026: 10.0 km in 1 run",
        "27 April 2026: 8.0 km in 1 run",
    ]
    said = feed.entries[0].content[0].value
    assert "what a hill &amp; what a view" in said
    assert "Over the &lt;b&gt;hill&lt;/b&gt; &amp; back, Saturday" in said
    assert all(entry.id.startswith("urn:uuid:") and entry.updated for entry in feed.entries)
    page = reader.get(feed.entries[0].link)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "week of running" in page.text
    assert "sandbox" in page.headers["Content-Security-Policy"]


def test_a_new_week_is_noticed_and_the_old_ones_stay(
    ada: Runner, settings: Settings, reader: Player
) -> None:
    _tell(ada, settings, WEEKS[0])
    address = _address(ada)
    first = reader.refresh(address)
    assert first is not None
    assert reader.refresh(address) is None
    _tell(ada, settings, WEEKS[1])
    second = reader.refresh(address)
    assert second is not None
    assert second.entries[1].id == first.entries[0].id
    assert second.entries[1].updated == first.entries[0].updated


def test_before_the_first_week_there_is_no_feed(
    ada: Runner, settings: Settings, reader: Player
) -> None:
    address = _address(ada)
    assert reader.get(address).status_code == 404
    for path in ("/running/2026-05-04.html", ".xml"):
        assert reader.get(address.replace("/running.atom", path)).status_code == 404


def test_a_week_that_is_not_over_waits(ada: Runner, settings: Settings, reader: Player) -> None:
    _tell(ada, settings, *WEEKS)
    with connect(ada.url) as db:
        db.execute(
            'UPDATE weekly_digests SET facts = facts || \'{"so_far": "2026-05-09"}\''
            " WHERE week = '2026-05-04'"
        )
    feed = feedparser.parse(reader.get(_address(ada)).content)
    assert [entry.title for entry in feed.entries] == ["27 April 2026: 8.0 km in 1 run"]
