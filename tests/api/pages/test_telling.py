"""A story is told in the browser: recorded or written, and seen to become one."""

import re

import pytest
from playwright.sync_api import Page, expect

from keepsake.audio.media import probe
from tests.api.conftest import Door
from tests.browser import PHONE, barriers

from .conftest import Visit

QUESTION = "What did your kitchen smell like?"


@pytest.fixture(scope="module")
def question(site: Door) -> int:
    row = site.db.execute(
        "INSERT INTO interview_prompts (owner_id, question, question_key, week, source)"
        " VALUES (%s, %s, 'kitchen', '2026-11-23', 'ai') RETURNING id",
        (site.marlows.id, QUESTION),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _record(page: Page, seconds: int = 2) -> None:
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("timer")).to_have_text(f"0:0{seconds}")
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_label("Your recording")).to_be_visible()


def _responses(site: Door) -> int:
    row = site.db.execute("SELECT count(*) FROM responses").fetchone()
    assert row is not None
    return int(row[0])


def test_a_question_is_answered_by_voice(site: Door, visit: Visit, question: int) -> None:
    page = visit("/o/the-marlows/family", width=PHONE).page
    page.get_by_role("link", name=f"Answer: {QUESTION}").click()
    expect(page.get_by_label("Who is telling?")).to_have_value("Rose")  # who is signed in
    _record(page)
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("status")).to_contain_text("This is becoming a story")
    record_id = int(page.url.rpartition("/")[2])
    row = site.db.execute(
        "SELECT m.name, f.prompt_id, f.audio_key FROM responses f JOIN members m"
        " ON m.id = f.member_id WHERE record_id = %s AND f.owner_id = %s",
        (record_id, site.marlows.id),
    ).fetchone()
    assert row is not None
    assert row[:2] == ("Rose", question)
    assert probe(site.settings.objects_folder / row[2]).codec == "opus"


def test_the_page_shows_the_story_when_it_is_there(site: Door, visit: Visit) -> None:
    page = visit("/o/the-marlows/family/tell").page
    page.get_by_text("Write it instead").click()
    page.get_by_label("Your story").fill("We moved to the lighthouse when I was six.")
    page.get_by_role("button", name="Send what I wrote").click()
    expect(page.get_by_role("status")).to_contain_text("The story gets its title: not yet")
    record_id = int(page.url.rpartition("/")[2])
    site.db.execute(
        "INSERT INTO stories (record_id, owner_id, title, summary, text)"
        " VALUES (%s, %s, 'The lighthouse', 'A move.', 'We moved to the lighthouse.')",
        (record_id, site.marlows.id),
    )
    site.db.execute(
        "UPDATE ledger SET status = 'succeeded', due_at = NULL WHERE record_id = %s", (record_id,)
    )
    expect(page.get_by_role("heading", name="The lighthouse")).to_be_visible()


def test_what_was_written_is_not_lost_to_a_mistake(visit: Visit) -> None:
    shown = visit("/o/the-marlows/family/tell", java_script_enabled=False)
    shown.page.get_by_label("Your story").fill("… !")
    shown.page.get_by_role("button", name="Send what I wrote").click()
    expect(shown.page.get_by_role("alert")).to_contain_text("not one letter")
    expect(shown.page.get_by_label("Your story")).to_have_value("… !")
    shown.complaints.clear()  # the browser's own, of the answer 422


def test_a_recording_survives_a_closed_tab(site: Door, visit: Visit) -> None:
    before = _responses(site)
    page = visit("/o/the-marlows/family/tell").page
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("timer")).to_have_text("0:02")
    page.goto("about:blank")  # without having finished
    page.goto("/o/the-marlows/family/tell")
    expect(page.get_by_role("alert")).to_contain_text("was not sent yet")
    assert barriers(page) == []
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("status")).to_contain_text("This is becoming a story")
    assert _responses(site) == before + 1
    page.goto("/o/the-marlows/family/tell")
    expect(page.get_by_role("button", name="Record")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_broken_connection_is_waited_for(site: Door, visit: Visit) -> None:
    before = _responses(site)
    shown = visit("/o/the-marlows/family/tell")
    page = shown.page
    _record(page)
    page.route("**/api/uploads/*", lambda route: route.abort())
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("status")).to_contain_text("The connection is gone")
    assert _responses(site) == before
    page.unroute_all()
    page.get_by_role("button", name="Try again now").click()
    page.wait_for_url(re.compile(r"/family/\d+$"))
    assert _responses(site) == before + 1
    begun = [address for address in shown.fetched if "/api/uploads?" in address]
    assert len(begun) == 1  # it went on where it was
    shown.complaints.clear()  # the browser's own, of requests that failed


def test_a_refused_microphone_is_explained(visit: Visit) -> None:
    page = visit("/o/the-marlows/family/tell").page
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia ="
        " async () => { throw new DOMException('', 'NotAllowedError'); }; }"
    )
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("alert")).to_contain_text("The microphone is not allowed")
    expect(page.get_by_role("button", name="Record")).to_be_visible()


def test_who_may_only_read_is_not_asked_to_tell(site: Door) -> None:
    reader = site.client("read")
    home = reader.get("/o/the-marlows/family", headers={"Accept": "text/html"})
    assert "/tell" not in home.text
    assert reader.get("/o/the-marlows/family/tell").status_code == 403
