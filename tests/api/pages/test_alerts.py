"""The pages of alerts, in a browser: what is wrong, the rules by which people are told."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from keepsake.accounts.sessions import start_session
from keepsake.accounts.users import add_user
from tests.api.conftest import Door
from tests.browser import PHONE, barriers, overflow, window

from .conftest import Visit

AS_PAGE = {"Accept": "text/html"}
OURS, SYSTEM = "/o/the-marlows/alerts", "/alerts"
FORM = {"name": "Many fail", "metric": "failure_rate", "comparison": "above", "threshold": "10 %",
        "severity": "high"}  # fmt: skip


@pytest.fixture(autouse=True)
def no_rules_before(site: Door) -> Iterator[None]:
    yield
    site.db.execute("DELETE FROM alert_rules; DELETE FROM alert_log")


def ruled(client: httpx.Client, **fields: Any) -> int:
    """The id of a new rule."""
    rule = {"name": "Many fail", "metric": "failure_rate", "threshold": 0.1, **fields}
    rule_id: int = client.post("/api/alert-rules", json=rule).raise_for_status().json()["id"]
    return rule_id


def fire(site: Door, rule_id: int, owner_id: int | None, subject: str = "tags") -> None:
    site.db.execute(
        "INSERT INTO alerts (owner_id, rule_id, state, value, subject, since, fired_at)"
        " VALUES (%s, %s, 'firing', 0.5, %s, now(), now())",
        (owner_id, rule_id, subject),
    )


def test_a_rule_is_added_on_a_phone_without_scripts(visit: Visit, site: Door) -> None:
    page = visit(OURS, width=PHONE, java_script_enabled=False).page
    expect(page.get_by_text("No rule yet")).to_be_visible()
    page.get_by_role("link", name="Add a rule").click()
    page.get_by_label("Its name").fill("Too much goes wrong")
    page.get_by_label("What is measured").select_option("Share of records that failed")
    page.get_by_label("This value").fill("25 %")
    page.get_by_role("button", name="Add it").click()
    row = page.get_by_role("listitem").filter(has_text="Too much goes wrong").first
    expect(row).to_contain_text("Share of records that failed above 25 %, in 5 minutes")
    assert overflow(page) == 0
    assert site.db.execute("SELECT name, threshold, owner_id FROM alert_rules").fetchall() == [
        ("Too much goes wrong", 0.25, site.marlows.id)
    ]


def test_a_rule_is_changed_muted_switched_off_and_removed(visit: Visit, site: Door) -> None:
    ruled(site.client(), clear_at=0.05)
    page = visit(OURS).page
    assert barriers(page) == []
    page.get_by_role("link", name="Change Many fail").click()
    assert barriers(page) == []
    expect(page.get_by_label("This value")).to_have_value("10 %")
    page.get_by_label("This value").fill("30 %")
    page.get_by_text("More about when").click()
    expect(page.get_by_label("It ends at")).to_have_value("5 %")
    page.get_by_role("button", name="Save").click()
    expect(
        page.get_by_text("Share of records that failed above 30 %, in 5 minutes")
    ).to_be_visible()
    page.get_by_label("For how long Many fail is muted").select_option("a day")
    page.get_by_role("button", name="Mute Many fail").click()
    expect(page.get_by_text("Nobody is told until")).to_be_visible()
    page.get_by_role("button", name="Tell again of Many fail").click()
    page.get_by_role("button", name="Switch off Many fail").click()
    expect(page.get_by_role("button", name="Switch on Many fail")).to_be_visible()
    page.get_by_role("button", name="Remove Many fail").click()
    expect(page.get_by_text("No rule yet")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="deleted")).to_be_visible()


def test_what_fires_stands_first_and_is_read_on_a_phone(visit: Visit, site: Door) -> None:
    fire(site, ruled(site.client()), site.marlows.id)
    page = visit(OURS, width=PHONE).page
    firing = page.get_by_role("region", name="Now").get_by_role("listitem")
    expect(firing).to_contain_text("Many fail: tags")
    expect(firing).to_contain_text("50 %, above 10 %")
    assert overflow(page) == 0
    assert barriers(page) == []


def test_operators_see_the_systems_and_whether_alerts_reach_somebody(
    site: Door, browser: Browser
) -> None:
    fire(site, ruled(site.operator(), metric="database_bytes", threshold=1), None, "")
    user = add_user(site.db, "olga@example.org", "Olga", operator=True)
    with window(browser, site.url, start_session(site.db, user.id), width=PHONE) as shown:
        shown.page.goto(SYSTEM)
        expect(shown.page.get_by_text("Alerts reach no one")).to_be_visible()
        now = shown.page.get_by_role("region", name="Now")
        expect(now.get_by_role("listitem")).to_contain_text("Size of the database")
        assert overflow(shown.page) == 0
        assert barriers(shown.page) == []
        assert shown.complaints == []
    said = site.operator().post(f"{SYSTEM}/test", headers=AS_PAGE)
    assert said.status_code == 200, "it says so; there is no channel"


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("name", "", "Give it a name"),
        ("metric", "mood", "Choose what is measured"),
        ("threshold", "ten", "The value &#39;ten&#39; cannot be read: write it like 10 %"),
        ("clear_at", "20 %", "Clear_at is where an alert ends"),
        ("window_seconds", "soon", "The time &#39;soon&#39; is no span of time"),
        ("least_events", "-1", "Least_events is a number"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_with_what_was_typed(
    site: Door, field: str, typed: str, said: str
) -> None:
    answer = site.client().post(
        f"{OURS}/rules/new", data={**FORM, "name": "Kept", field: typed}, headers=AS_PAGE
    )
    assert answer.status_code == 422
    assert f'id="{field}-wrong">{said}' in answer.text
    assert f'value="{"10 %" if field == "name" else "Kept"}"' in answer.text
    assert site.db.execute("SELECT FROM alert_rules").rowcount == 0


def test_a_second_rule_of_a_name_is_refused(site: Door) -> None:
    ruled(site.client())
    answer = site.client().post(f"{OURS}/rules/new", data=FORM, headers=AS_PAGE)
    assert answer.status_code == 422
    assert "There is already a rule" in answer.text


@pytest.mark.parametrize("what", ["", "/off", "/mute", "/unmute", "/remove"])
def test_a_rule_of_another_owner_is_not_there(site: Door, what: str) -> None:
    theirs = ruled(site.client(owner="the-others"))
    asked, none = (
        site.client().post(f"{OURS}/rules/{each}{what}", data=FORM, headers=AS_PAGE)
        for each in (theirs, 10**12)
    )
    assert asked.status_code == none.status_code == 404
    assert "There is no such rule here" in asked.text
    assert asked.text == none.text
    assert site.db.execute("SELECT enabled FROM alert_rules").fetchall() == [(True,)]


def test_members_who_read_change_nothing_and_see_no_system(site: Door) -> None:
    rule_id, reader = ruled(site.client()), site.client("read")
    shown = reader.get(OURS, headers=AS_PAGE).text
    assert "Many fail" in shown
    assert "Switch off" not in shown
    for answer in (
        reader.post(f"{OURS}/rules/{rule_id}/off", headers=AS_PAGE),
        reader.get(f"{OURS}/rules/new", headers=AS_PAGE),
        reader.get(SYSTEM, headers=AS_PAGE),
        site.client().post(f"{SYSTEM}/test", headers=AS_PAGE),
    ):
        assert answer.status_code == 403
