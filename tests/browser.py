"""Pages in a real browser: the machine's own Chromium or Chrome, without a window.

Where there is none, tests of pages are skipped and say so; in CI they fail.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, Playwright, sync_playwright


@dataclass(frozen=True)
class Opened:
    """A page as a browser shows it, what it fetched, and what the browser complained of."""

    page: Page
    fetched: list[str]
    complaints: list[str]


@contextmanager
def opened(file: Path, *, width: int) -> Iterator[Opened]:
    """Open a page of the disk in a window of so many pixels."""
    with sync_playwright() as playwright:
        browser = _browser(playwright)
        page = browser.new_page(viewport={"width": width, "height": 900})
        opened = Opened(page, [], [])
        page.on("request", lambda request: opened.fetched.append(request.url))
        page.on("console", lambda message: opened.complaints.append(message.text))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.goto(file.as_uri())
        yield opened
        browser.close()


def _browser(playwright: Playwright) -> Browser:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        return playwright.chromium.launch(executable_path=path, channel=None if path else "chrome")
    except Error:
        missing = "there is neither Chromium nor Chrome to show pages in: install one"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
