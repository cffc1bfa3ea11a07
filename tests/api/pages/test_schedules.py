"""The pages of schedules: what comes round by the clock."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from keepsake.accounts.sessions import start_session
from keepsake.accounts.users import add_user, set_role
from keepsake.job_types import REGISTRY
from keepsake.jobs.schedules import NewSchedule, Schedule, add_schedule, find_schedule
from tests.api.conftest import Door
from tests.browser import PHONE, barriers, overflow

from .conftest import Visit
from .test_jobs import DIGEST, given, in_thread, listed

AS_PAGE = {"Accept": "text/html"}
SCHEDULES = "/jobs/schedules"


@pytest.fixture(autouse=True)
def no_schedules_before(site: Door) -> Iterator[None]:
    yield
    site.db.execute("DELETE FROM job_schedules")
    site.db.execute("DELETE FROM jobs")


def scheduled(site: Door, type_name: str = "make_digest", **fields: Any) -> int:
    """The id of a new schedule of the Marlows, unless `fields` of `NewSchedule` say otherwise."""
    fields = {"owner_id": site.marlows.id, "tag": "weekly", "expression": "0 9 * * 1", **fields}
    new = NewSchedule(REGISTRY.find(type_name), **fields)
    return int(in_thread(site, lambda connection: add_schedule(connection, new)))


def the_only(site: Door) -> Schedule:
    (found,) = site.db.execute("SELECT id FROM job_schedules").fetchall()
    schedule: Schedule = in_thread(site, lambda connection: find_schedule(connection, found[0]))
    return schedule


def test_a_schedule_is_made_on_a_phone_without_scripts(visit: Visit, site: Door) -> None:
    page = visit(SCHEDULES, width=PHONE, java_script_enabled=False).page
    expect(page.get_by_text("Nothing comes round by the clock yet.")).to_be_visible()
    page.get_by_role("link", name="Add one").click()
    page.get_by_role("link", name=DIGEST).click()
    page.get_by_label("Its name").fill("Mondays")
    page.get_by_label("When", exact=True).fill("0 9 * * 1-5")
    expect(page.get_by_label("By the clock of")).to_have_value("America/New_York")
    page.get_by_label("Week").fill("last")
    page.get_by_role("button", name="Add it").click()
    row = page.get_by_role("listitem").filter(has_text="Mondays")
    expect(row).to_contain_text("At 09:00 on Monday through Friday (America/New_York)")
    expect(row).to_contain_text(re.compile(r"next \d+ \w+ 202\d, 09:00"))
    assert overflow(page) == 0
    made = the_only(site)
    assert (made.tag, made.owner, made.data) == ("Mondays", "the-marlows", {"week": "last"})


def test_a_schedule_is_paused_resumed_and_removed_by_the_keyboard(visit: Visit, site: Door) -> None:
    scheduled(site)
    page = visit(SCHEDULES).page
    assert barriers(page) == []
    for name in ("Pause weekly", "Resume weekly"):
        with page.expect_navigation():
            page.get_by_role("button", name=name).press("Enter")
    expect(page.get_by_role("button", name="Pause weekly")).to_be_visible()
    assert not the_only(site).paused
    page.get_by_role("button", name="Remove weekly").click()
    expect(page.get_by_text("Nothing comes round by the clock yet.")).to_be_visible()


def test_a_schedule_is_changed_and_shows_what_it_holds(visit: Visit, site: Door) -> None:
    scheduled(site, data={"week": "2026-W46"}, time_zone="Europe/Berlin")
    page = visit(SCHEDULES).page
    page.get_by_role("link", name="Change weekly").click()
    assert barriers(page) == []
    expect(page.get_by_label("When", exact=True)).to_have_value("0 9 * * 1")
    expect(page.get_by_label("Week")).to_have_value("2026-W46")
    page.get_by_label("When", exact=True).fill("@daily")
    page.get_by_label("Week").fill("last")
    page.get_by_text("When something comes between").click()
    page.get_by_label("While an earlier job is under way").select_option("a job that runs after it")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("At 00:00 every day (Europe/Berlin)")).to_be_visible()
    now = the_only(site)
    assert (now.expression, now.overlap, now.data) == ("0 0 * * *", "queue", {"week": "last"})


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("expression", "0 0 31 2 *", "means no time that ever comes"),
        ("expression", "every day", "does not have five fields"),
        ("time_zone", "Europe/Nowhere", "is no IANA time zone"),
        ("tag", "", "The name is empty"),
        ("data.week", "x" * 30, "at most 20 characters"),
        ("missed", "catch_up", "choose overlap"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_with_what_was_typed(
    site: Door, field: str, typed: str, said: str
) -> None:
    form = {"tag": "kept", "expression": "0 9 * * 1", "time_zone": "UTC", field: typed}
    answer = site.client().post(f"{SCHEDULES}/new/make_digest", data=form, headers=AS_PAGE)
    assert answer.status_code == 422
    beside = "overlap" if field == "missed" else field
    assert re.search(f'id="{beside}-wrong">[^<]*{said}', answer.text)
    kept = "0 9 * * 1" if field == "tag" else "kept"
    assert f'value="{kept}"' in answer.text
    assert site.db.execute("SELECT FROM job_schedules").rowcount == 0


def test_a_second_one_of_a_name_is_refused_beside_the_name(site: Door) -> None:
    scheduled(site)
    form = {"tag": "weekly", "expression": "@daily", "time_zone": "UTC"}
    answer = site.client().post(f"{SCHEDULES}/new/make_digest", data=form, headers=AS_PAGE)
    assert answer.status_code == 422
    assert 'id="tag-wrong">There is already a schedule' in answer.text


def test_members_see_their_owners_schedules_and_operators_all(site: Door) -> None:
    scheduled(site, tag="ours")
    scheduled(site, tag="theirs", owner_id=site.others.id)
    scheduled(site, "clean_up", tag="systems", owner_id=None)

    def tags(text: str) -> list[str]:
        return sorted(re.findall(r'<h2 dir="auto">(\w+)</h2>', text))

    assert tags(site.client().get(SCHEDULES).text) == ["ours"]
    assert tags(site.operator().get(SCHEDULES).text) == ["ours", "systems", "theirs"]


@pytest.mark.parametrize("action", ["", "/pause", "/resume", "/remove"])
def test_a_schedule_of_another_owner_is_not_there(site: Door, action: str) -> None:
    schedule = scheduled(site, owner_id=site.others.id)
    theirs, none = (
        site.client().post(f"{SCHEDULES}/{each}{action}") for each in (schedule, 10**12)
    )
    assert theirs.status_code == none.status_code == 404
    assert theirs.text.replace(str(schedule), "ID") == none.text.replace(str(10**12), "ID")
    assert not the_only(site).paused


def test_a_reader_changes_no_schedule(site: Door) -> None:
    schedule = scheduled(site)
    reader = site.client("read")
    assert "<button" not in reader.get(SCHEDULES).text
    for action in ("", "/pause", "/remove"):
        assert reader.post(f"{SCHEDULES}/{schedule}{action}").status_code == 403
    assert not the_only(site).paused


def test_the_jobs_of_a_schedule_are_found(site: Door) -> None:
    schedule, job = scheduled(site), given(site)
    given(site)
    site.db.execute("UPDATE jobs SET schedule_id = %s WHERE id = %s", (schedule, job))
    assert listed(site.client().get(f"/jobs?schedule={schedule}").text) == [job]


def test_who_has_several_owners_stays_with_the_one_they_look_at(site: Door) -> None:
    schedule = scheduled(site, owner_id=site.others.id)
    mia = add_user(site.db, "mia@example.org", "Mia")
    for family in (site.marlows, site.others):
        set_role(site.db, owner_id=family.id, user_id=mia.id, role="owner")
    with httpx.Client(
        base_url=site.url,
        cookies={"keepsake_session": start_session(site.db, mia.id)},
        headers={"Sec-Fetch-Site": "same-origin", **AS_PAGE},
    ) as client:
        assert "weekly" not in client.get(SCHEDULES).text
        listed_of_others = client.get(f"{SCHEDULES}?owner=the-others").text
        assert f'href="/jobs?owner=the-others&amp;schedule={schedule}"' in listed_of_others
        answer = client.post(f"{SCHEDULES}/{schedule}/pause")
        assert answer.headers["Location"] == (f"{SCHEDULES}?owner=the-others#schedule-{schedule}")
        form = {"owner": "the-others"}
        job = client.post("/jobs/new/make_digest", data=form).headers["Location"]
        assert 'href="/jobs?owner=the-others"' in client.get(job).text
