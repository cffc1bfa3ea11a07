"""The pages on which people manage who may do what, in a browser."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from keepsake.accounts.sessions import sessions, start_session
from keepsake.accounts.users import add_user, find_user, memberships, remove_member, set_role
from tests.api.conftest import Door
from tests.browser import PHONE, barriers, overflow

from .conftest import Visit

ACCESS = "/o/the-marlows/access"


def signed_in(site: Door, email: str, role: str | None) -> httpx.Client:
    """A browser of a new user, without a window."""
    user = add_user(site.db, email, email.partition("@")[0])
    if role:
        set_role(site.db, owner_id=site.marlows.id, user_id=user.id, role=role)
    cookies = {"keepsake_session": start_session(site.db, user.id)}
    return httpx.Client(
        base_url=site.url, cookies=cookies, headers={"Sec-Fetch-Site": "same-origin"}, timeout=20
    )


def roles(site: Door) -> dict[str, str]:
    return {m.email: m.role for m in memberships(site.db, owner_id=site.marlows.id)}


def test_a_token_is_made_shown_once_and_revoked(visit: Visit) -> None:
    page = visit(ACCESS, width=PHONE).page
    assert barriers(page) == []
    assert overflow(page) == 0
    page.get_by_label("What it is for").fill("Shortcut")
    page.get_by_label(re.compile("add records")).check()
    page.get_by_role("button", name="Make").click()
    secret = page.get_by_label("Token", exact=True).input_value()
    assert secret.startswith("ksp_")
    assert barriers(page) == []
    answer = httpx.get(
        page.url.partition("/o/")[0] + "/api/me", headers={"Authorization": f"Bearer {secret}"}
    )
    assert answer.json()["owners"][0]["permissions"] == ["ingest", "read"]
    page.goto(page.url.removesuffix("/tokens"))
    assert secret not in page.content()
    page.get_by_role("button", name="Revoke Shortcut").click()
    expect(page.get_by_text(re.compile(r"read, ingest;\s+revoked"))).to_be_visible()


def test_a_member_is_added_changed_and_removed(site: Door, visit: Visit) -> None:
    page = visit(ACCESS).page
    page.get_by_label("E-mail address").fill("sam@example.org")
    page.get_by_label("Name", exact=True).fill("Sam")
    page.get_by_role("button", name="Add").click()
    assert roles(site)["sam@example.org"] == "viewer"
    assert find_user(site.db, "sam@example.org").name == "Sam"
    page.get_by_label("What Sam is", exact=True).select_option("editor")
    page.get_by_role("button", name="Save what Sam is").click()
    expect(page.get_by_label("What Sam is", exact=True)).to_have_value("editor")
    assert roles(site)["sam@example.org"] == "editor"
    page.get_by_label("What Sam is", exact=True).select_option("none")
    page.get_by_role("button", name="Save what Sam is").click()
    expect(page.get_by_text("sam@example.org")).to_have_count(0)
    assert "sam@example.org" not in roles(site)


def test_somebody_stays_who_may_manage(site: Door) -> None:
    with signed_in(site, "kim@example.org", "owner") as client:
        remove_member(
            site.db, owner_id=site.marlows.id, user_id=find_user(site.db, "rose@example.org").id
        )
        form = {"email": "kim@example.org", "role": "viewer"}
        answer = client.post(f"{ACCESS}/members", data=form)
        assert (answer.status_code, "Somebody must stay" in answer.text) == (422, True)
        assert roles(site)["kim@example.org"] == "owner"
        client.post(f"{ACCESS}/members", data={"email": "rose@example.org", "role": "owner"})
        assert client.post(f"{ACCESS}/members", data=form).status_code == 303


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_who_does_not_manage_changes_nothing(site: Door, role: str) -> None:
    with signed_in(site, f"{role}@example.org", role) as client:
        form = {"email": f"{role}@example.org", "role": "owner"}
        assert client.get(ACCESS).status_code == 403
        assert client.post(f"{ACCESS}/members", data=form).status_code == 403
    assert roles(site)[f"{role}@example.org"] == role


def test_a_stranger_sees_no_more_than_that_it_is_not_there(site: Door) -> None:
    with signed_in(site, "zoe@example.org", None) as client:
        foreign, unknown = client.get(ACCESS), client.get("/o/nobody/access")
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.text.replace("the-marlows", "nobody") == unknown.text


def test_one_sees_where_one_is_signed_in_and_signs_out_there(site: Door, visit: Visit) -> None:
    rose = find_user(site.db, "rose@example.org")
    start_session(site.db, rose.id, user_agent="Mozilla/5.0 (iPad; CPU OS 18_5) Safari/604.1")
    page = visit("/account", width=PHONE).page
    assert barriers(page) == []
    assert overflow(page) == 0
    page.get_by_role("button", name="Sign out Safari on iPad").click()
    expect(page.get_by_text("Safari on iPad")).to_have_count(0)
    assert "Safari on iPad" not in [session.device for session in sessions(site.db, rose.id)]


def test_one_ends_no_session_of_another(site: Door) -> None:
    rose = find_user(site.db, "rose@example.org")
    start_session(site.db, rose.id)
    theirs = sessions(site.db, rose.id)[0].id
    with signed_in(site, "eve@example.org", None) as client:
        assert client.post(f"/account/sessions/{theirs}/end").status_code == 404
    assert theirs in [session.id for session in sessions(site.db, rose.id)]


def test_signing_out_leads_to_the_form(visit: Visit) -> None:
    page = visit("/account").page
    page.get_by_role("button", name="Sign out", exact=True).click()
    assert page.url.endswith("/sign-in")
    assert barriers(page) == []
    page.goto(page.url.replace("/sign-in", "/account"))
    assert "/sign-in?next=/account" in page.url


def test_a_token_is_no_person(site: Door) -> None:
    assert site.client().get("/account").json()["code"] == "forbidden"
