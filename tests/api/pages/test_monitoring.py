"""The pages of monitoring: what stands there, that it follows, and trying again what failed."""

import pytest
from playwright.sync_api import Page, expect

from keepsake.monitoring import insights
from tests.api.conftest import Door
from tests.browser import DESK, PHONE, barriers, overflow
from tests.given import on_connection

from .conftest import Visit
from .figures import given_alert, given_busy_day
from .shelf_and_journal import failed, given_bookmark

AS_PAGE = {"Accept": "text/html"}
MARLOWS = "/o/the-marlows/monitoring"
REFRESH = "document.getElementById('now').dispatchEvent(new Event('changed'))"


@pytest.fixture(scope="module", autouse=True)
def busy_day(site: Door) -> None:
    """The Marlows have had a busy day, the Others none."""
    given_busy_day(site)
    given_alert(site, site.marlows.id, "bookmarks: 12 of 40")


def steps_with(site: Door, status: str) -> set[tuple[str, str | None]]:
    """Step and type of the last error of the Marlows' steps that are so."""
    return set(
        site.db.execute(
            "SELECT step, error_type FROM ledger WHERE owner_id = %s AND status = %s"
            " AND error_type IS NOT NULL",
            (site.marlows.id, status),
        ).fetchall()
    )


def opened(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "light"), (DESK, "dark")])
def test_it_is_for_everyone_on_a_phone_and_a_desk(visit: Visit, width: int, scheme: str) -> None:
    shown = visit(MARLOWS, width=width, color_scheme=scheme)
    page = shown.page
    expect(page.get_by_role("img", name="Records a minute")).to_be_visible()
    opened(page)
    assert overflow(page) == 0
    assert barriers(page) == []
    assert all(address.startswith(page.url[:16]) for address in shown.fetched)


def test_the_figures_are_those_that_programs_read(visit: Visit, site: Door) -> None:
    page = visit(MARLOWS).page
    found = on_connection(site.db, insights.dashboard, owner_id=site.marlows.id)
    week = page.locator(".sums > div").filter(has_text="This week")
    expect(week.locator("dd").first).to_have_text(f"{found.week.total:,}")
    expect(week).to_contain_text(f"{found.week.failed} failed")
    waits = page.get_by_role("region", name="What waits").get_by_role("row", name="bookmarks")
    expect(waits.first).to_contain_text(str(found.queue_depth))
    expect(page.get_by_role("meter", name="Budget of this month")).to_be_visible()


def test_a_column_of_a_chart_says_what_it_stands_for(visit: Visit) -> None:
    page = visit(MARLOWS).page
    column = page.locator("svg[aria-labelledby=throughput] .column").nth(20)
    expect(column.locator("text")).to_be_hidden()
    column.locator("rect").hover()
    expect(column.locator("text")).to_be_visible()
    page.locator("#throughput-table > summary").focus()
    page.keyboard.press("Enter")
    table = page.get_by_role("region", name="Records a minute, in numbers")
    expect(table.get_by_role("row")).to_have_count(
        page.locator("svg[aria-labelledby=throughput] .column").count() + 1
    )


def test_it_follows_without_moving_what_is_read(visit: Visit, site: Door) -> None:
    page = visit(MARLOWS, width=PHONE).page
    page.locator("#queue-steps > summary").focus()
    page.keyboard.press("Enter")
    page.locator("#spending-table > summary").click()
    button = page.get_by_role("button", name="Try again: BudgetSpent in summaries")
    button.focus()
    before = page.evaluate("scrollY")
    waiting = page.locator("#queue-steps").get_by_role("row", name="pages")
    count = int(waiting.get_by_role("cell").inner_text())
    given_bookmark(site, "https://a.example/waiting/later")
    page.evaluate(REFRESH)
    expect(waiting.get_by_role("cell")).to_have_text(str(count + 1))
    assert page.locator("#spending-table").evaluate("each => each.open")
    expect(button).to_be_focused()
    assert page.evaluate("scrollY") == before


def test_it_asks_for_nothing_while_nobody_sees_it(visit: Visit) -> None:
    shown = visit(MARLOWS)
    shown.page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true})"
    )
    shown.page.evaluate(REFRESH)
    shown.page.evaluate("delete document.hidden")
    with shown.page.expect_response(lambda answer: MARLOWS in answer.url):
        shown.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert sum("hours=24" in address for address in shown.fetched) == 1


def test_one_click_tries_that_group_again_and_no_other(visit: Visit, site: Door) -> None:
    for at in range(2):
        record = given_bookmark(site, f"https://a.example/group/{at}", title="Group")
        failed(site.db, record, "pages", "it is away", error_type="Away")
    others = steps_with(site, "failed") - {("pages", "Away")}
    page = visit(MARLOWS, java_script_enabled=False).page
    page.get_by_role("button", name="Try again: Away in pages").click()
    expect(page.get_by_role("status")).to_have_text("2 records are tried again.")
    expect(page.get_by_role("button", name="Try again: Away in pages")).to_have_count(0)
    assert steps_with(site, "failed") == others
    assert steps_with(site, "pending") == {("pages", "Away")}


def test_a_group_that_is_tried_again_already_is_said_to_be(site: Door) -> None:
    group = {"line": "bookmarks", "step": "pages", "error_type": "Gone"}
    answer = site.client().post(f"{MARLOWS}/retry", data=group, follow_redirects=True)
    assert "Nothing is left that failed like that" in answer.text


def test_who_may_only_read_is_offered_no_retry(site: Door) -> None:
    reader = site.client("read")
    assert "Try again" not in reader.get(MARLOWS, headers=AS_PAGE).text
    group = {"line": "bookmarks", "step": "summaries", "error_type": "BudgetSpent"}
    assert reader.post(f"{MARLOWS}/retry", data=group).status_code == 403
    assert ("summaries", "BudgetSpent") in steps_with(site, "failed")


def test_alerts_that_fire_stand_at_the_top(visit: Visit, site: Door) -> None:
    page = visit(MARLOWS).page
    expect(page.get_by_role("list", name="Alerts that are firing")).to_contain_text("12 of 40")
    others = site.client(owner="the-others").get("/o/the-others/monitoring", headers=AS_PAGE)
    assert "No alert is firing" in others.text


def test_where_nothing_has_happened_it_says_what_will_be_there(site: Door) -> None:
    page = site.client(owner="the-others").get("/o/the-others/monitoring", headers=AS_PAGE).text
    for said in (
        "Nothing waits.",
        "no record came to its end",
        "Nothing has failed.",
        "No model was called in this month.",
    ):
        assert said in page


def test_another_owners_figures_are_answered_like_those_of_nobody(site: Door) -> None:
    otto = site.client(owner="the-others")
    theirs, nobodys = (otto.get(f"/o/{slug}/monitoring") for slug in ("the-marlows", "nobody"))
    assert (theirs.status_code, nobodys.status_code) == (404, 404)
    assert theirs.json()["detail"].replace("the-marlows", "") == (
        nobodys.json()["detail"].replace("nobody", "")
    )
    assert otto.post(f"{MARLOWS}/retry", data={}).status_code in (404, 422)


def test_operators_see_the_whole_system_and_try_again_for_all(site: Door) -> None:
    record = given_bookmark(site, "https://a.example/operator", title="Operator")
    failed(site.db, record, "pages", "it is away", error_type="Elsewhere")
    operator = site.operator()
    page = operator.get("/monitoring", headers=AS_PAGE).text
    assert 'href="/o/the-marlows/monitoring"' in page
    assert "Database" in page
    group = {"line": "bookmarks", "step": "pages", "error_type": "Elsewhere"}
    answer = operator.post("/monitoring/retry", data=group)
    assert answer.headers["Location"] == "/monitoring?retried=1#errors"
    assert ("pages", "Elsewhere") not in steps_with(site, "failed")
    assert site.client().post("/monitoring/retry", data=group).status_code == 403


def test_the_short_address_leads_members_to_what_is_theirs(site: Door) -> None:
    assert site.client().get("/monitoring").headers["Location"] == MARLOWS
    asked = site.operator().get("/monitoring", params={"owner": "the-others"})
    assert asked.headers["Location"] == "/o/the-others/monitoring"


@pytest.mark.parametrize("hours", ["6", "168"])
def test_it_looks_back_further_or_more_closely(site: Door, hours: str) -> None:
    page = site.client().get(MARLOWS, params={"hours": hours}, headers=AS_PAGE)
    assert f'?hours={hours}" hx-trigger' in page.text
    assert site.client().get(MARLOWS, params={"hours": "7"}).status_code == 422
