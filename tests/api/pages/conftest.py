"""Pages over HTTP: one server and one browser for the tests of a module."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from keepsake.accounts.sessions import start_session
from keepsake.accounts.users import add_user, find_user, set_role
from keepsake.api.app import create_app
from keepsake.database import connect
from keepsake.family.response import add_family, add_member
from keepsake.settings import Settings
from tests.api.conftest import Door
from tests.api.serving import serving
from tests.browser import Opened, chromium, window
from tests.job_types.running import working

Visit = Callable[..., Opened]


@pytest.fixture(scope="module")
def site(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A server with two families, for a module of tests."""
    home: Path = tmp_path_factory.mktemp("site")
    settings = Settings.model_validate(
        {
            "database_url": shared_database_url,
            "keepsake_home": str(home),
            "public_url": "https://keepsake.example",
        }
    )
    with connect(shared_database_url) as db:
        marlows = add_family(db, "The Marlows", time_zone="America/New_York")
        others = add_family(db, "The Others")
        for family, name in ((marlows, "Rose"), (marlows, "Sam"), (others, "Otto")):
            add_member(db, family, name)
        rose = add_user(db, "rose@example.org", "Rose")
        set_role(db, owner_id=marlows.id, user_id=rose.id, role="owner")
        with serving(create_app(settings)) as url:
            yield Door(url, db, settings, marlows, others)


@pytest.fixture
def worker(site: Door) -> Iterator[None]:
    """A worker that runs the jobs of the server."""
    with working(site.settings):
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser with a microphone that hears a beep, and nobody who has to allow it."""
    with chromium("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as opened:
        yield opened


@pytest.fixture
def visit(site: Door, browser: Browser) -> Iterator[Visit]:
    """Opens a page as Rose, who is of the Marlows; `width` and other options of the window by name.

    A complaint of the browser, such as an error of a script, fails the test.
    """
    windows = ExitStack()
    visited: list[Opened] = []

    def open_page(path: str, **options: Any) -> Opened:
        secret = start_session(site.db, find_user(site.db, "rose@example.org").id)
        shown = windows.enter_context(window(browser, site.url, secret, **options))
        shown.page.goto(path)
        visited.append(shown)
        return shown

    yield open_page
    complaints = [complaint for shown in visited for complaint in shown.complaints]
    windows.close()
    assert complaints == []
