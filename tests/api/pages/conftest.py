"""Pages over HTTP: one server and one browser for the tests of a module."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from keepsake.accounts.permissions import PERMISSIONS
from keepsake.accounts.tokens import create_token
from keepsake.api.app import create_app
from keepsake.database import connect
from keepsake.family.response import add_family, add_member
from keepsake.settings import Settings
from tests.api.conftest import Door
from tests.api.serving import serving
from tests.browser import Opened, chromium, window

Visit = Callable[..., Opened]


@pytest.fixture(scope="module")
def site(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A server with two families, for a module of tests."""
    home: Path = tmp_path_factory.mktemp("site")
    settings = Settings.model_validate(
        {"database_url": shared_database_url, "keepsake_home": str(home)}
    )
    with connect(shared_database_url) as db:
        marlows = add_family(db, "The Marlows", time_zone="America/New_York")
        others = add_family(db, "The Others")
        for family, name in ((marlows, "Rose"), (marlows, "Sam"), (others, "Otto")):
            add_member(db, family, name)
        with serving(create_app(settings)) as url:
            yield Door(url, db, settings, marlows, others)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser with a microphone that hears a beep, and nobody who has to allow it."""
    with chromium("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as opened:
        yield opened


@pytest.fixture
def visit(site: Door, browser: Browser) -> Iterator[Visit]:
    """Opens a page as somebody of the Marlows; `width` and other options of the window by name.

    A complaint of the browser, such as an error of a script, fails the test.
    """
    windows = ExitStack()
    visited: list[Opened] = []

    def open_page(path: str, **options: Any) -> Opened:
        headers = options.pop("headers", None) or _signed_in(site)
        shown = windows.enter_context(window(browser, site.url, headers, **options))
        shown.page.goto(path)
        visited.append(shown)
        return shown

    yield open_page
    complaints = [complaint for shown in visited for complaint in shown.complaints]
    windows.close()
    assert complaints == []


def _signed_in(site: Door) -> Mapping[str, str]:
    token, _ = create_token(site.db, "test", owner_id=site.marlows.id, scopes=tuple(PERMISSIONS))
    return {"Authorization": f"Bearer {token}"}
