"""A record's page: how each step went, and what people do about it."""

import pytest
from playwright.sync_api import expect

from tests.api.conftest import Door
from tests.browser import PHONE, barriers, overflow

from .conftest import Visit
from .shelf_and_journal import done, failed, given_bookmark

AS_PAGE = {"Accept": "text/html"}
WHY = "the server refuses us (HTTP 403): it wants a sign-in"


def test_it_tells_why_a_step_failed_and_tries_again(visit: Visit, site: Door) -> None:
    record = given_bookmark(site, "https://a.example/1", title="Refused")
    failed(site.db, record, "summaries", WHY)
    page = visit(f"/records/{record}", width=PHONE).page
    expect(page.get_by_text("T" + WHY[1:])).to_be_visible()
    assert overflow(page) == 0
    assert barriers(page) == []
    page.get_by_role("button", name="Try again what failed").click()
    expect(page.get_by_role("status")).to_contain_text("4 of 5 steps are done")
    expect(page.get_by_text(WHY[1:])).not_to_be_visible()


def test_it_follows_the_steps_without_a_reload(visit: Visit, site: Door) -> None:
    record = given_bookmark(site, "https://a.example/2")
    page = visit(f"/records/{record}").page
    expect(page.get_by_role("status")).to_contain_text("0 of 5 steps are done")
    page.evaluate("document.body.dataset.same = 'yes'")
    done(site.db, record)
    expect(page.get_by_role("status")).to_contain_text("All that can be made is made")
    assert page.evaluate("document.body.dataset.same") == "yes"


def test_a_record_is_processed_now_by_one_job_however_often_it_is_asked(
    visit: Visit, site: Door
) -> None:
    record = given_bookmark(site, "https://a.example/9")
    for _ in range(2):
        page = visit(f"/records/{record}", width=PHONE).page
        page.get_by_role("button", name="Process it now").click()
        expect(page.get_by_role("status")).to_contain_text("Waiting for its turn")
    jobs = site.db.execute(
        "SELECT type, data FROM jobs WHERE tag = 'process_record/' || %s", (record,)
    )
    assert jobs.fetchall() == [
        ("process_record", {"record_id": record, "steps": [], "redo": False})
    ]


def test_it_asks_no_more_once_all_is_made(site: Door) -> None:
    record = given_bookmark(site, "https://a.example/3", title="Made")
    assert "hx-trigger" not in site.client().get(f"/records/{record}", headers=AS_PAGE).text


def test_a_step_is_made_again_by_the_keyboard(visit: Visit, site: Door) -> None:
    record = given_bookmark(site, "https://a.example/4", title="Again")
    page = visit(f"/records/{record}").page
    page.get_by_text("More about keywords").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Make it again: keywords").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".timeline > .again")).to_contain_text("Keywords")


def test_a_script_that_has_seen_it_all_gets_nothing(site: Door) -> None:
    record = given_bookmark(site, "https://a.example/5")
    client = site.client()
    part = client.get(f"/records/{record}", headers={"HX-Request": "true"}).text
    seen = part.split("seen=")[1].split('"')[0]
    again = client.get(f"/records/{record}?seen={seen}", headers={"HX-Request": "true"})
    assert (again.status_code, again.text) == (204, "")


def test_operators_alone_find_the_runs_in_dagster(site: Door) -> None:
    record = given_bookmark(site, "https://a.example/6", title="Run")
    link = 'href="/dagster/runs/a run"'
    assert link in site.operator().get(f"/records/{record}", headers=AS_PAGE).text
    assert link not in site.client().get(f"/records/{record}", headers=AS_PAGE).text


@pytest.mark.parametrize("action", ["", "/retry", "/redo", "/untag", "/process"])
def test_a_record_of_another_owner_is_not_there(site: Door, action: str) -> None:
    record = given_bookmark(site, f"https://a.example/7{action}", title="Theirs")
    otto = site.client(owner="the-others")
    if action:
        answer = otto.post(f"/records/{record}{action}", data={"step": "pages", "tag": "a"})
    else:
        answer = otto.get(f"/records/{record}", headers=AS_PAGE)
    assert answer.status_code == 404


def test_a_reader_changes_nothing(site: Door) -> None:
    record = given_bookmark(site, "https://a.example/8", title="Read")
    failed(site.db, record, "summaries", WHY)
    reader = site.client("read")
    assert "<button" not in reader.get(f"/records/{record}", headers=AS_PAGE).text
    for action in ("retry", "process"):
        assert reader.post(f"/records/{record}/{action}").status_code == 403
