"""The page on which people say which programs learn of what happens, in a browser."""

import re

from playwright.sync_api import expect

from tests.api.conftest import Door
from tests.browser import PHONE, barriers, overflow

from .conftest import Visit

WEBHOOKS = "/o/the-marlows/webhooks"
URL = "https://example.com/hooks/" + "a-long-name-" * 10


def test_an_endpoint_is_added_tried_out_switched_off_and_removed(site: Door, visit: Visit) -> None:
    page = visit(WEBHOOKS, width=PHONE).page
    page.get_by_label("Address").fill(URL)
    page.get_by_label("What it is for").fill("Our site")
    page.get_by_text("Only some events").click()
    page.get_by_label("record.completed").check()
    page.get_by_role("button", name="Add").click()
    secret = page.get_by_label("Secret", exact=True).input_value()
    assert secret.startswith("whsec_")
    assert barriers(page) == []
    assert overflow(page) == 0
    expect(page.get_by_text("record.completed", exact=True).first).to_be_visible()

    page.get_by_role("button", name="Try it out").click()
    assert secret not in page.content()
    page.get_by_text("The last messages").click()
    expect(page.get_by_text(re.compile("webhook.ping, pending"))).to_be_visible()
    page.get_by_role("button", name="New secret").click()
    assert page.get_by_label("Secret", exact=True).input_value() not in ("", secret)
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_text(re.compile("it was switched off"))).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("button", name="Switch on").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("No program is told of anything yet.")).to_be_visible()
    assert site.db.execute("SELECT count(*) FROM webhook_endpoints").fetchone() == (0,)


def test_what_cannot_be_posted_to_stays_in_the_form_with_a_word(visit: Visit) -> None:
    shown = visit(WEBHOOKS)
    shown.page.get_by_label("Address").fill("http://10.0.0.1/hook")
    shown.page.get_by_role("button", name="Add").click()
    expect(shown.page.get_by_role("alert")).to_contain_text("private or reserved address")
    expect(shown.page.get_by_label("Address")).to_have_value("http://10.0.0.1/hook")
    [complaint] = shown.complaints
    assert "422" in complaint  # the browser says so of each
    shown.complaints.clear()
