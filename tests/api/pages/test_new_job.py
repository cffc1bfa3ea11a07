"""The page on which people submit a job."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from keepsake.jobs.listing import find_job
from keepsake.jobs.rows import Job
from tests.api.conftest import Door
from tests.browser import PHONE, barriers, overflow

from .conftest import Visit
from .test_jobs import DIGEST, given, in_thread

AS_PAGE = {"Accept": "text/html"}


def submitted(site: Door, address: str) -> Job:
    found = re.search(r"/jobs/(\d+)", address)
    assert found
    job: Job = in_thread(site, lambda connection: find_job(connection, int(found[1])))
    return job


def test_a_job_is_asked_for_on_a_phone_without_scripts(visit: Visit, site: Door) -> None:
    page = visit("/jobs/new", width=PHONE, java_script_enabled=False).page
    page.get_by_role("link", name=DIGEST).click()
    page.get_by_label("Week").fill("2026-W46")
    page.get_by_text("When, and how").click()
    page.get_by_label("Not before").fill("2026-12-24T18:00")
    page.get_by_label("How urgent").select_option("before all others")
    page.get_by_label("Tag").fill("christmas")
    assert overflow(page) == 0
    page.get_by_role("button", name="Ask for it").click()
    expect(page.get_by_role("status")).to_contain_text("24 December 2026, 18:00")
    job = submitted(site, page.url)
    assert (job.type, job.data, job.tag) == ("make_digest", {"week": "2026-W46"}, "christmas")
    assert (job.priority, job.owner, job.user_id) == (10, "the-marlows", rose_id(site))
    assert job.due_at.isoformat() == "2026-12-24T23:00:00+00:00"


def rose_id(site: Door) -> int:
    (found,) = site.db.execute("SELECT id FROM users WHERE name = 'Rose'").fetchone() or (0,)
    return int(found)


def test_what_is_wrong_stands_beside_its_field_with_what_was_typed(visit: Visit) -> None:
    shown = visit("/jobs/new/delete_record", width=PHONE)
    page = shown.page
    page.get_by_label("Record id").fill("")
    page.get_by_text("When, and how").click()
    page.get_by_label("Not before").fill("2999-01-01T00:00")
    page.get_by_label("Tag").fill("x" * 300)
    page.get_by_role("button", name="Ask for it").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was asked for yet")
    expect(page.get_by_label("Record id")).to_have_accessible_description(re.compile("required"))
    expect(page.get_by_label("Not before")).to_have_value("2999-01-01T00:00")
    expect(page.get_by_label("Not before")).to_have_accessible_description(
        re.compile("not within the next five years")
    )
    expect(page.get_by_label("Tag")).to_have_value("x" * 300)
    expect(page.get_by_label("Tag")).to_have_accessible_description(re.compile("300 characters"))
    assert overflow(page) == 0
    assert barriers(page) == []
    assert "status of 422" in shown.complaints.pop()


def test_a_job_that_waits_already_is_shown_instead_of_a_second_one(site: Door) -> None:
    job = given(site, tag="once")
    client = site.client()
    answer = client.post("/jobs/new/make_digest", data={"tag": "once"})
    assert answer.headers["Location"] == f"/jobs/{job}?told=there"
    told = client.get(answer.headers["Location"], headers=AS_PAGE).text
    assert "It was waiting already" in told
    clash = client.post("/jobs/new/export_owner", data={"tag": "once"}, headers=AS_PAGE)
    assert clash.status_code == 422
    assert "choose another tag" in clash.text


@pytest.mark.parametrize(
    ("type_name", "typed", "whose"),
    [
        ("make_digest", {"owner": "the-others"}, "the-others"),
        ("clean_up", {}, None),
    ],
)
def test_an_operator_says_whose_job_it_is(
    site: Door, type_name: str, typed: dict[str, Any], whose: str | None
) -> None:
    answer = site.operator().post(f"/jobs/new/{type_name}", data=typed)
    assert answer.status_code == 303
    assert submitted(site, answer.headers["Location"]).owner == whose


@pytest.mark.parametrize(
    ("owner", "said"), [("", "Say of which owner"), ("nobody", "There is no owner")]
)
def test_an_owner_that_is_missing_or_unknown_is_named(site: Door, owner: str, said: str) -> None:
    answer = site.operator().post(
        "/jobs/new/make_digest", data={"owner": owner, "data.week": "2026-W46"}, headers=AS_PAGE
    )
    assert answer.status_code == 422
    assert said in answer.text
    assert 'value="2026-W46"' in answer.text


@pytest.mark.parametrize(
    ("scopes", "type_name", "allowed"),
    [
        (("read",), "make_digest", False),
        (("read", "edit"), "make_digest", True),
        (("read", "edit"), "export_owner", False),
        ((), "clean_up", False),
        ((), "ingest_history", False),
    ],
)
def test_only_what_one_may_submit_is_offered_and_taken(
    site: Door, scopes: tuple[str, ...], type_name: str, allowed: bool
) -> None:
    client = site.client(*scopes)
    listed = client.get("/jobs/new", headers=AS_PAGE).text
    assert (f'href="/jobs/new/{type_name}"' in listed) == allowed
    answer = client.post(f"/jobs/new/{type_name}", data={})
    assert answer.status_code == (303 if allowed else 403)


def test_what_is_another_owners_is_not_asked_for(site: Door) -> None:
    answer = site.client().post("/jobs/new/make_digest?owner=the-others", data={})
    assert answer.status_code == 404
    answer = site.client().post(
        "/jobs/new/make_digest", data={"owner": "the-others"}, headers=AS_PAGE
    )
    assert answer.status_code == 422
