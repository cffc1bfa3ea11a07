"""The frame around all pages: where people land, find their way, and are told what is wrong."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.api.conftest import Door
from tests.browser import PHONE, barriers, overflow

from .conftest import Visit


def test_someone_of_one_family_lands_there(visit: Visit) -> None:
    page = visit("/o/the-marlows/search").page
    page.get_by_role("link", name="Keepsake").click()
    assert page.url.endswith("/o/the-marlows/family")
    expect(page.get_by_role("navigation", name="The Marlows")).to_contain_text("Stories")


def test_an_operator_chooses_among_owners(site: Door) -> None:
    page = site.operator().get("/", headers={"Accept": "text/html"})
    assert '<a class="lead" href="/o/the-others" dir="auto">The Others</a>' in page.text


@pytest.mark.parametrize("path", ["/o/the-others", "/o/nobody", "/nothing"])
def test_what_is_not_theirs_is_a_page_that_leads_back(site: Door, path: str) -> None:
    answer = site.client().get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "There is no such thing here" in answer.text
    assert 'href="/"' in answer.text


def test_a_search_that_finds_nothing_says_so(visit: Visit) -> None:
    page = visit("/o/the-marlows/search", width=PHONE).page
    page.get_by_role("searchbox").fill("a <b>cow</b>")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("region", name="What was found")).to_contain_text("nothing to search")
    assert page.title() == "a <b>cow</b> – Keepsake"
    assert overflow(page) == 0
    assert barriers(page) == []


def test_who_is_not_signed_in_is_led_to_sign_in_and_back(site: Door) -> None:
    answer = httpx.get(site.url + "/o/the-marlows/search?q=a&b", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        "/sign-in?next=/o/the-marlows/search%3Fq%3Da%26b",
    )


def test_a_part_for_who_signed_out_meanwhile_leads_the_whole_page_away(site: Door) -> None:
    answer = httpx.get(
        site.url + "/o/the-marlows/family/1/progress",
        headers={
            "Accept": "text/html",
            "HX-Request": "true",
            "HX-Current-URL": f"{site.url}/o/the-marlows/family/1",
        },
    )
    assert answer.headers["HX-Redirect"] == "/sign-in?next=/o/the-marlows/family/1"
    assert answer.text == ""


def test_a_page_lets_in_no_code_but_its_own(site: Door) -> None:
    first, second = (httpx.get(site.url + "/docs").headers for _ in range(2))
    policy = first["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert policy != second["Content-Security-Policy"]
    assert "microphone=(self)" in first["Permissions-Policy"]


def test_the_first_stop_of_the_keyboard_skips_to_the_content(visit: Visit) -> None:
    page = visit("/docs").page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_description_of_the_api_is_for_everyone(visit: Visit, scheme: str) -> None:
    shown = visit("/docs", width=PHONE, color_scheme=scheme)
    shown.page.get_by_text(re.compile(r"^POST /api/bookmarks\s")).click()
    expect(shown.page.locator("details[open]").get_by_text("list of string")).to_be_visible()
    assert overflow(shown.page) == 0
    assert barriers(shown.page) == []
    assert all(address.startswith(shown.page.url[:16]) for address in shown.fetched)


def test_who_signs_out_is_out(visit: Visit) -> None:
    page = visit("/o/the-marlows/search").page
    page.get_by_role("link", name="You").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.goto("/o/the-marlows/search")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
