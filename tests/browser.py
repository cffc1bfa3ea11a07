"""Pages in a real browser: the machine's own Chromium or Chrome, without a window.

Where there is none, tests of pages are skipped and say so; in CI they fail.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, Playwright, sync_playwright

PHONE, DESK = 360, 1280  # pixels
_AXE = Path(__file__).parent / "vendor/axe-core/axe.min.js"
# WCAG 2.2 AA; its only new rule that a program can check is off unless it is asked for.
_RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "rules": {"target-size": {"enabled": True}},
}


@dataclass(frozen=True)
class Opened:
    """A page as a browser shows it, what it fetched, and what the browser complained of."""

    page: Page
    fetched: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.fetched.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))


@contextmanager
def opened(file: Path, *, width: int) -> Iterator[Opened]:
    """Open a page of the disk in a window of so many pixels."""
    with chromium() as browser:
        opened = Opened(browser.new_page(viewport={"width": width, "height": 900}))
        opened.page.goto(file.as_uri())
        yield opened


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """A browser with further arguments of the command line.

    While it is open, nothing else in this thread can run an event loop.
    """
    with sync_playwright() as playwright:
        browser = _browser(playwright, arguments)
        yield browser
        browser.close()


@contextmanager
def window(
    browser: Browser, site: str, session: str | None = None, *, width: int = DESK, **more: Any
) -> Iterator[Opened]:
    """A window of a browser that has been nowhere yet; its addresses begin at `site`.

    With the secret of a session somebody is signed in.
    """
    context = browser.new_context(base_url=site, viewport={"width": width, "height": 900}, **more)
    if session:
        context.add_cookies([{"name": "keepsake_session", "value": session, "url": site}])
    context.set_default_timeout(10_000)
    yield Opened(context.new_page())
    context.close()


def barriers(page: Page) -> list[str]:
    """What keeps people out of a page: rules of WCAG 2.2 AA that it breaks, and where."""
    page.wait_for_load_state()  # its style sheet decides on sizes and colours
    page.evaluate(_AXE.read_text())  # by the debugger: the page's own policy would refuse it
    found = page.evaluate("rules => axe.run(document, rules)", _RULES)
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def overflow(page: Page) -> int:
    """How many pixels a page is wider than its window."""
    width: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return width


def _browser(playwright: Playwright, arguments: tuple[str, ...]) -> Browser:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        return playwright.chromium.launch(
            executable_path=path, channel=None if path else "chrome", args=list(arguments)
        )
    except Error:
        missing = "there is neither Chromium nor Chrome to show pages in: install one"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
