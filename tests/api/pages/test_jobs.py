"""The pages of jobs: which there are, what became of one, and what people do about it."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from keepsake.job_types import REGISTRY
from keepsake.jobs.attempts import End, claim, end
from keepsake.jobs.rows import Fence
from keepsake.jobs.submission import NewJob, submit
from tests.api.conftest import Door
from tests.browser import PHONE, barriers, overflow
from tests.given import in_pool

from .conftest import Visit

AS_PAGE = {"Accept": "text/html"}
WHY = "the store does not take the page: see OBJECT_STORE_URL, then retry the job"
DIGEST = "Makes the page of what a runner's week came to"


def in_thread(site: Door, work: Any) -> Any:
    """What a coroutine on a connection returns; a browser may be open in this thread."""

    async def on_connection(pool: Any) -> Any:
        async with pool.connection() as connection:
            return await work(connection)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(in_pool, site.settings.database_url, on_connection).result()


def given(site: Door, type_name: str = "make_digest", **fields: Any) -> int:
    """The id of a new job, of the Marlows unless `fields` of `NewJob` say otherwise."""
    fields.setdefault("owner_id", site.marlows.id)
    new = NewJob(REGISTRY.find(type_name), **fields)
    return int(in_thread(site, lambda connection: submit(connection, new)).id)


def begun(site: Door, job_id: int, run_id: str | None = None) -> Fence:
    """An attempt at a job that a worker has begun, and no other may disturb."""

    async def begin(connection: Any) -> Fence:
        await connection.execute("UPDATE jobs SET priority = 10 WHERE id = %s", (job_id,))
        (job,) = await claim(connection, 7, [each.name for each in REGISTRY.all()])
        assert job.id == job_id
        await connection.execute(
            "UPDATE jobs SET priority = 0, run_id = %s WHERE id = %s", (run_id, job_id)
        )
        return job.fence

    fence: Fence = in_thread(site, begin)
    return fence


def ended(site: Door, fence: Fence, how: End) -> None:
    assert in_thread(site, lambda connection: end(connection, fence, how))


def status(site: Door, job_id: int) -> str:
    row = site.db.execute("SELECT status FROM jobs WHERE id = %s", (job_id,)).fetchone()
    return str(row[0]) if row else "gone"


@pytest.fixture(autouse=True)
def no_jobs_before(site: Door) -> Iterator[None]:
    yield
    site.db.execute("DELETE FROM jobs")


def found(page: Page) -> list[int]:
    """The ids of the jobs that a page lists."""
    links = page.locator("[id^=job-]").all()
    return [int((link.get_attribute("id") or "")[4:]) for link in links]


def listed(text: str) -> list[int]:
    return [int(each) for each in re.findall(r'id="job-(\d+)"', text)]


def test_rows_follow_their_jobs_without_a_reload(visit: Visit, site: Door) -> None:
    job = given(site)
    page = visit("/jobs", width=PHONE).page
    row = page.get_by_role("listitem").filter(has_text=DIGEST)
    expect(row).to_contain_text("Waiting")
    page.evaluate("document.body.dataset.same = 'yes'")
    page.locator(f"#job-{job}").focus()
    ended(site, begun(site, job), End("succeeded", {"week": "2026-11-16", "digests": 1}))
    expect(row).to_contain_text("Done")
    expect(row).to_contain_text("Week 2026-11-16, Digests 1")
    assert page.evaluate("[document.body.dataset.same, document.activeElement.id]") == [
        "yes",
        f"job-{job}",
    ]
    newer = given(site)
    expect(page.locator(f"#job-{newer}")).to_be_visible()
    assert overflow(page) == 0
    assert barriers(page) == []


def test_a_job_is_followed_to_its_end(visit: Visit, site: Door) -> None:
    job = given(site)
    fence = begun(site, job)
    shown = visit(f"/jobs/{job}", width=PHONE)
    page = shown.page
    expect(page.get_by_role("status")).to_contain_text("Under way since")
    assert overflow(page) == 0
    assert barriers(page) == []
    ended(site, fence, End("failed", error_type="StepError", error=WHY))
    expect(page.get_by_role("status")).to_contain_text("Failed")
    expect(page.locator(".timeline > .failed")).to_contain_text("attempt 1, worker 7")
    expect(page.locator(".notice.bad").first).to_contain_text("T" + WHY[1:])
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status")).to_contain_text("Waiting for its turn")
    assert status(site, job) == "pending"


def test_a_job_is_cancelled_by_the_keyboard_and_says_so(visit: Visit, site: Door) -> None:
    job = given(site)
    begun(site, job)
    page = visit(f"/jobs/{job}").page
    button = page.get_by_role("button", name="Cancel")
    expect(button).to_have_accessible_description(re.compile("a cancel cannot be undone"))
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Cancelled")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    assert status(site, job) == "cancelled"
    expect(page.locator(".timeline > li")).to_have_count(2)


def test_a_cancel_that_comes_too_late_changes_nothing_and_says_so(visit: Visit, site: Door) -> None:
    job = given(site)
    fence = begun(site, job)
    page = visit(f"/jobs/{job}", java_script_enabled=False).page
    ended(site, fence, End("succeeded"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("It had ended before it could be cancelled")
    expect(page.get_by_role("status")).to_contain_text("Done")


def test_filters_are_in_the_address_and_stay_there(visit: Visit, site: Door) -> None:
    wanted = given(site, tag="week 47", metadata={"department": "sales", "year": 2026})
    given(site, metadata={"department": "sales"})
    given(site, "export_owner")
    page = visit("/jobs", width=PHONE).page
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("What they do").select_option(label=DIGEST)
    page.get_by_label("Metadata").fill("department=sales, year=2026")
    page.get_by_role("button", name="Show these").click()
    assert found(page) == [wanted]
    assert page.url.endswith("/jobs?type=make_digest&metadata=department%3Dsales%2C+year%3D2026")
    expect(page.get_by_label("Metadata")).to_have_value("department=sales, year=2026")
    page.get_by_role("navigation", name="How far they are").get_by_role("link").last.click()
    assert "status=pending&type=make_digest" in page.url
    assert found(page) == [wanted]
    assert overflow(page) == 0
    assert barriers(page) == []


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("metadata", "department", "has no &#39;=&#39;"),
        ("metadata", '{"a": ', "no JSON"),
        ("since", "yesterday", "write it like 2026-11-28"),
        ("until", "9999-12-31", "write it like 2026-11-28"),
        ("status", "done", "no status &#39;done&#39;"),
        ("before", "a", "no id"),
    ],
)
def test_a_filter_that_cannot_be_read_says_so_and_keeps_what_was_typed(
    site: Door, field: str, typed: str, said: str
) -> None:
    answer = site.client().get("/jobs", params={field: typed, "tag": "kept"}, headers=AS_PAGE)
    assert answer.status_code == 422
    assert said in answer.text
    assert 'value="kept"' in answer.text


def test_pages_of_a_list_leave_nothing_out_and_repeat_nothing(site: Door) -> None:
    ids = [given(site) for _ in range(2)]
    site.db.execute(
        "INSERT INTO jobs (owner_id, type, executor) SELECT %s, 'make_digest', 'internal'"
        " FROM generate_series(1, 40)",
        (site.marlows.id,),
    )
    client, seen, address = site.client(), list[int](), "/jobs?type=make_digest"
    while address:
        text = client.get(address, headers=AS_PAGE).text
        seen += listed(text)
        older = re.search(r'href="([^"]+)" rel="next"', text)
        address = older[1].replace("&amp;", "&") if older else ""
    assert len(seen) == len(set(seen)) == 42
    assert seen == sorted(seen, reverse=True)
    assert set(ids) < set(seen)


def test_what_there_is_much_of_is_not_counted_to_the_end(site: Door) -> None:
    site.db.execute(
        "INSERT INTO jobs (owner_id, type, executor) SELECT %s, 'make_digest', 'internal'"
        " FROM generate_series(1, 1001)",
        (site.marlows.id,),
    )
    text = site.client().get("/jobs", headers=AS_PAGE).text
    assert "more than 1,000" in text


def test_a_script_that_has_seen_it_all_gets_nothing(site: Door) -> None:
    job = given(site)
    client = site.client()
    for path in ("/jobs", f"/jobs/{job}"):
        part = client.get(path, headers={"HX-Request": "true"}).text
        seen = part.split("seen=")[1].split('"')[0]
        again = client.get(path, params={"seen": seen}, headers={"HX-Request": "true"})
        assert (again.status_code, again.text) == (204, "")


def test_a_job_that_has_ended_is_not_asked_for_again(site: Door) -> None:
    job = given(site)
    ended(site, begun(site, job), End("succeeded"))
    assert "hx-trigger" not in site.client().get(f"/jobs/{job}", headers=AS_PAGE).text


def test_members_see_their_owners_jobs_and_operators_all(site: Door) -> None:
    ours, theirs = given(site), given(site, owner_id=site.others.id)
    system = given(site, "clean_up", owner_id=None)
    assert listed(site.client().get("/jobs", headers=AS_PAGE).text) == [ours]
    operator = site.operator()
    assert listed(operator.get("/jobs", headers=AS_PAGE).text) == [system, theirs, ours]
    narrowed = operator.get("/jobs?owner=the-others", headers=AS_PAGE).text
    assert listed(narrowed) == [theirs]


@pytest.mark.parametrize("action", ["", "/cancel", "/retry"])
@pytest.mark.parametrize("whose", ["other's", "system's"])
def test_a_job_that_is_not_theirs_is_answered_like_one_that_is_not_there(
    site: Door, action: str, whose: str
) -> None:
    if whose == "system's":
        job = given(site, "clean_up", owner_id=None)
    else:
        job = given(site, owner_id=site.others.id)

    def ask(job_id: int) -> tuple[int, str]:
        client, path = site.client(), f"/jobs/{job_id}{action}"
        answer = client.post(path) if action else client.get(path)
        return answer.status_code, answer.text.replace(str(job_id), "ID")

    assert ask(job) == ask(10**12)
    assert ask(job)[0] == 404
    assert status(site, job) == "pending"


def test_a_reader_sees_jobs_and_changes_none(site: Door) -> None:
    job = given(site)
    reader = site.client("read")
    assert "<button" not in reader.get(f"/jobs/{job}", headers=AS_PAGE).text
    assert reader.post(f"/jobs/{job}/cancel").status_code == 403
    assert status(site, job) == "pending"


def test_operators_alone_find_the_runs_in_dagster(site: Door) -> None:
    job = given(site)
    begun(site, job, run_id="a run")
    link = 'href="/dagster/runs/a%20run"'
    assert link in site.operator().get(f"/jobs/{job}", headers=AS_PAGE).text
    assert link not in site.client().get(f"/jobs/{job}", headers=AS_PAGE).text


def test_a_jobs_log_is_shown_with_it(site: Door) -> None:
    job = given(site)
    fence = begun(site, job)
    site.db.execute(
        "INSERT INTO job_log (job_id, owner_id, attempt, at, level, message)"
        " VALUES (%s, %s, 1, now(), 'WARNING', '12 of 40 <b>')",
        (job, site.marlows.id),
    )
    assert "12 of 40 &lt;b&gt;" in site.client().get(f"/jobs/{job}", headers=AS_PAGE).text
    ended(site, fence, End("succeeded"))


def test_what_a_job_holds_is_shown_as_text(site: Door) -> None:
    job = given(site, tag="<b>tag", tags=["<i>word"], metadata={"<u>": {"<s>": [1]}})
    text = site.client().get(f"/jobs/{job}", headers=AS_PAGE).text
    assert not re.search("<[bius]>", text)
    assert "&lt;b&gt;tag" in text


def test_a_job_that_waits_for_its_time_says_until_when(site: Door) -> None:
    due = datetime.now(UTC) + timedelta(days=2)
    job = given(site, run_after=due)
    assert "until <time" in site.client().get(f"/jobs/{job}", headers=AS_PAGE).text


def test_a_person_finds_their_owners_jobs_from_their_own_page(visit: Visit, site: Door) -> None:
    given(site)
    page = visit("/account", width=PHONE).page
    page.get_by_role("link", name="Jobs of the-marlows").click()
    expect(page.get_by_role("heading", name="Jobs", level=1)).to_be_visible()
    expect(page.get_by_text(DIGEST).last).to_be_visible()


def test_who_is_not_signed_in_is_led_to_sign_in_and_back(site: Door) -> None:
    answer = httpx.get(site.url + "/jobs?status=failed", headers=AS_PAGE)
    assert answer.headers["Location"] == "/sign-in?next=/jobs%3Fstatus%3Dfailed"


def test_many_jobs_are_counted_first_then_cancelled(visit: Visit, site: Door) -> None:
    mine = [given(site, tag=f"mine {number}", tags=["mine"]) for number in range(3)]
    other = given(site)
    page = visit("/jobs?words=mine", width=PHONE, java_script_enabled=False).page
    page.get_by_role("link", name="Cancel these …").click()
    expect(page.get_by_role("button", name="Cancel 3 jobs")).to_be_visible()
    assert {status(site, job) for job in mine} == {"pending"}
    assert overflow(page) == 0
    page.get_by_role("button", name="Cancel 3 jobs").click()
    expect(page.get_by_role("status")).to_contain_text("3 jobs were cancelled.")
    assert [status(site, job) for job in (*mine, other)] == ["cancelled"] * 3 + ["pending"]
    page.get_by_role("link", name="Back to the jobs").click()
    assert page.url.endswith("/jobs?words=mine")


def test_many_jobs_are_tried_again_and_those_that_cannot_be_are_named(site: Door) -> None:
    failed, dropped = given(site), given(site, tag="once")
    ended(site, begun(site, failed), End("failed", error=WHY))
    site.client().post(f"/jobs/{dropped}/cancel")
    waits = given(site, tag="once")  # does the work of the one that was dropped
    filter_ = "status=failed&status=cancelled"
    assert "Try again 2 jobs" in site.client().get(f"/jobs/many/retry?{filter_}").text
    answer = site.client().post(f"/jobs/many/retry?{filter_}")
    assert "1 job was made due again." in answer.text
    assert f"Job {dropped}</a></dt><dd>Another job with the tag" in answer.text
    assert [status(site, job) for job in (failed, dropped, waits)] == [
        "pending",
        "cancelled",
        "pending",
    ]


@pytest.mark.parametrize(
    ("query", "said"),
    [("", "This filter means all jobs"), ("?since=soon", "Since: this is no day")],
)
def test_a_filter_that_does_not_say_which_jobs_changes_none(
    site: Door, query: str, said: str
) -> None:
    job = given(site)
    answer = site.client().post(f"/jobs/many/cancel{query}", headers=AS_PAGE)
    assert (answer.status_code, said in answer.text) == (422, True)
    assert status(site, job) == "pending"
