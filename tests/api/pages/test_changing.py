"""What people change by pages: texts and tags of a record, and who hears the podcast."""

import feedparser
import httpx
import pytest
from playwright.sync_api import expect

from tests.api.conftest import Door
from tests.browser import PHONE, barriers, overflow

from .conftest import Visit
from .telling import Tale, told


@pytest.fixture
def boat(site: Door) -> int:
    """A story that Sam wrote."""
    tale = Tale("The boat", "We built a boat. It sank.", "Sam", tags=["humor"])
    site.db.execute("DELETE FROM records")
    return told(site, tale)


def test_a_title_is_changed_and_taken_back(site: Door, visit: Visit, boat: int) -> None:
    page = visit(f"/o/the-marlows/family/{boat}").page
    page.get_by_role("link", name="Correct or change this").click()
    page.get_by_label("Title").fill("The boat that sank")
    page.get_by_role("button", name="Save the title").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    page.get_by_role("link", name="Back to it").click()
    expect(page.get_by_role("heading", name="The boat that sank")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="Back to what was made").click()
    expect(page.get_by_label("Title")).to_have_value("The boat")
    expect(page.get_by_role("region", name="What people changed")).to_contain_text("set back")
    audit = site.db.execute(
        "SELECT action FROM audit_log WHERE record_id = %s ORDER BY id", (boat,)
    )
    assert [action for (action,) in audit] == ["record.edit", "record.revert"]


def test_nobody_overwrites_what_they_have_not_seen(site: Door, visit: Visit, boat: int) -> None:
    shown = visit(f"/o/the-marlows/records/{boat}/edit")
    page = shown.page
    site.db.execute("UPDATE stories SET title = 'The ship' WHERE record_id = %s", (boat,))
    page.get_by_label("Title").fill("My boat")
    page.get_by_role("button", name="Save the title").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody changed this meanwhile")
    expect(page.get_by_label("Title")).to_have_value("My boat")
    expect(page.get_by_text("There is now: “The ship”")).to_be_visible()
    page.get_by_role("button", name="Save the title").click()  # now it was seen
    expect(page.get_by_role("status")).to_contain_text("Saved")
    shown.complaints.clear()  # the browser's own, of the answer 412


def test_tags_come_and_go(visit: Visit, boat: int) -> None:
    page = visit(f"/o/the-marlows/records/{boat}/edit", width=PHONE).page
    page.get_by_label("One more").fill("Boats")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Take off humor").click()
    expect(page.get_by_role("button", name="Take off")).to_have_count(1)
    expect(page.get_by_role("button", name="Take off boats")).to_be_visible()
    assert overflow(page) == 0
    assert barriers(page) == []


def test_a_listener_gets_an_address_that_is_taken_back(site: Door, visit: Visit, boat: int) -> None:
    page = visit("/o/the-marlows/family").page
    page.get_by_role("link", name="Who listens").click()
    page.get_by_label("Somebody new").fill("Grandson Tom")
    page.get_by_role("button", name="Make an address").click()
    address = page.get_by_label("Podcast").input_value()
    assert address.startswith("https://keepsake.example/feeds/")
    expect(page.get_by_role("img", name="The address")).to_be_visible()
    assert barriers(page) == []
    here = address.replace("https://keepsake.example", site.url)
    assert feedparser.parse(httpx.get(here).text).feed.title.startswith("The Marlows")
    page.get_by_role("button", name="Take back the address of Grandson Tom").click()
    expect(page.get_by_text("Taken back on")).to_be_visible()
    assert address not in page.content()
    assert httpx.get(here).status_code == 404


def test_an_episode_is_taken_out_of_the_podcast_and_put_back(
    site: Door, visit: Visit, boat: int
) -> None:
    site.db.execute(
        "INSERT INTO podcasts (record_id, owner_id, audio_key, vtt_key, chapters_key, duration,"
        " loudness, size_bytes) VALUES (%s, %s, 'a/b.mp3', 'a/b.vtt', 'a/b.json', 9, -16, 1)",
        (boat, site.marlows.id),
    )
    page = visit(f"/o/the-marlows/family/{boat}").page
    page.get_by_role("button", name="Take it out of the podcast").click()
    expect(page.get_by_text("It is not in the family’s podcast.")).to_be_visible()
    page.get_by_role("button", name="Put it into the podcast").click()
    expect(page.get_by_text("as it is in the family’s podcast")).to_be_visible()


def test_only_who_may_edit_changes_anything(site: Door, boat: int) -> None:
    reader = site.client("read")
    assert "Correct or change" not in reader.get(f"/o/the-marlows/family/{boat}").text
    edit = f"/o/the-marlows/records/{boat}/edit"
    assert reader.get(edit).status_code == 403
    assert reader.post(f"{edit}/title", data={"version": "x", "value": "y"}).status_code == 403
    stranger = site.client(owner="the-others")
    assert stranger.get(edit.replace("the-marlows", "the-others")).status_code == 404
