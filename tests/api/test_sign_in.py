"""Signing in and out as a browser does, and what others try."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from keepsake.accounts.audit import writes
from keepsake.accounts.sign_in import SignIn, request_sign_in
from keepsake.accounts.users import User, add_user, set_role
from keepsake.api.app import create_app
from keepsake.database import connect
from keepsake.settings import Settings
from tests.api.conftest import Door
from tests.api.serving import serving
from tests.doubles.smtp import Mailbox, mailbox

EMAIL = "rose@example.org"
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def user(door: Door) -> User:
    """Rose, who owns the Marlows."""
    user = add_user(door.db, EMAIL, "Rose")
    set_role(door.db, owner_id=door.marlows.id, user_id=user.id, role="owner")
    return user


@pytest.fixture
def asked(door: Door, user: User) -> SignIn:
    """What `keepsake user link` would print for Rose."""
    sign_in = request_sign_in(door.db, EMAIL)
    assert sign_in is not None
    return sign_in


@pytest.fixture
def browser(door: Door) -> Iterator[httpx.Client]:
    """A browser on our own pages: it keeps cookies and says where a request is from."""
    with httpx.Client(base_url=door.url, headers=SAME_SITE, timeout=20) as client:
        yield client


def me(client: httpx.Client) -> str | None:
    answer = client.get("/api/me")
    return answer.json()["name"] if answer.is_success else None


def code(client: httpx.Client, code: str, email: str = EMAIL) -> httpx.Response:
    return client.post("/sign-in/code", data={"email": email, "code": code, "next": "/docs"})


# -- the link -----------------------------------------------------------------------------------


def test_the_button_behind_the_link_signs_in(browser: httpx.Client, asked: SignIn) -> None:
    page = browser.get(f"/sign-in/{asked.link}")
    assert "<button>" in page.text
    answer = browser.post(f"/sign-in/{asked.link}")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert me(browser) == "Rose"


def test_a_link_that_scanners_of_mail_have_opened_still_signs_in(
    browser: httpx.Client, nobody: httpx.Client, asked: SignIn
) -> None:
    for method in ("HEAD", "GET", "GET"):
        answer = nobody.request(method, f"/sign-in/{asked.link}")
        assert "set-cookie" not in answer.headers
    browser.post(f"/sign-in/{asked.link}")
    assert me(browser) == "Rose"


def test_a_link_signs_in_once(browser: httpx.Client, nobody: httpx.Client, asked: SignIn) -> None:
    browser.post(f"/sign-in/{asked.link}")
    replayed = nobody.post(f"/sign-in/{asked.link}", headers=SAME_SITE)
    assert replayed.status_code == 404
    assert "set-cookie" not in replayed.headers
    assert "too old" in nobody.get(f"/sign-in/{asked.link}").text


def test_a_link_that_was_made_up_signs_in_nobody(browser: httpx.Client) -> None:
    assert browser.get("/sign-in/made-up").status_code == 404
    assert browser.post("/sign-in/made-up").status_code == 404


# -- the code -----------------------------------------------------------------------------------


def test_a_code_signs_in_and_leads_on(browser: httpx.Client, asked: SignIn) -> None:
    answer = code(browser, asked.code)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/docs")
    assert me(browser) == "Rose"


def test_the_sixth_try_is_refused_even_with_the_right_code(
    browser: httpx.Client, asked: SignIn
) -> None:
    for number in range(5):
        wrong = f"{(int(asked.code) + 1 + number) % 10**6:06}"
        answer = code(browser, wrong)
        assert answer.status_code == 422
        assert "wrong, used or too old" in answer.text
    assert code(browser, asked.code).status_code == 422
    assert me(browser) is None


@pytest.mark.parametrize(
    "next", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil", "x", ""]
)
def test_nobody_is_led_to_another_site(browser: httpx.Client, asked: SignIn, next: str) -> None:
    form = {"email": EMAIL, "code": asked.code, "next": next}
    assert browser.post("/sign-in/code", data=form).headers["Location"] == "/"


# -- the address --------------------------------------------------------------------------------


def test_a_page_that_needs_a_session_leads_to_the_form_and_back(browser: httpx.Client) -> None:
    asked_for = browser.get("/dagster/runs?view=all", headers={"Accept": "text/html"})
    form = browser.get(asked_for.headers["Location"])
    assert 'name="next" value="/dagster/runs?view=all"' in form.text


def test_the_answer_is_the_same_whether_or_not_the_address_is_a_users(
    browser: httpx.Client, user: User
) -> None:
    answers = [
        browser.post("/sign-in", data={"email": email}).text.replace(email, "X")
        for email in (EMAIL, "zoe@example.org", *[EMAIL] * 6)
    ]
    assert len(set(answers)) == 1


def test_what_is_no_address_is_said_so_in_the_form(browser: httpx.Client) -> None:
    answer = browser.post("/sign-in", data={"email": "rose"})
    assert answer.status_code == 422
    assert "no e-mail address" in answer.text


@pytest.fixture
def with_mail(database_url: str, tmp_path: Path) -> Iterator[tuple[str, Mailbox]]:
    """A server that sends mail, and where the mail goes."""
    with mailbox() as box:
        settings = Settings.model_validate(
            {
                "database_url": database_url,
                "keepsake_home": str(tmp_path),
                "sign_in_mail": f"mailto://{box.address}/?from=keepsake@example.org&to={{email}}",
            }
        )
        with serving(create_app(settings)) as url:
            yield url, box


def test_mail_goes_to_users_only_and_its_link_works(
    with_mail: tuple[str, Mailbox], database_url: str
) -> None:
    url, box = with_mail
    with connect(database_url) as db:
        add_user(db, EMAIL, "Rose")
    with httpx.Client(base_url=url, headers=SAME_SITE, timeout=20) as browser:
        browser.post("/sign-in", data={"email": "zoe@example.org"})
        answer = browser.post("/sign-in", data={"email": EMAIL.upper()})
        assert "a mail is on its way" in answer.text
        assert box.arrived.wait(20)
        assert box.recipients == [EMAIL]
        link = re.search(r"http://127.0.0.1:8000(/sign-in/\S+)", box.text())
        assert link is not None
        browser.post(link[1])
        assert me(browser) == "Rose"


# -- the session --------------------------------------------------------------------------------


def test_the_cookie_is_closed_to_scripts_and_other_sites(
    browser: httpx.Client, asked: SignIn
) -> None:
    cookie = browser.post(f"/sign-in/{asked.link}").headers["set-cookie"].lower()
    assert cookie.startswith("keepsake_session=")
    for attribute in ("httponly", "samesite=lax", "path=/"):
        assert attribute in cookie
    for attribute in ("domain", "secure"):  # secure: not over plain HTTP
        assert attribute not in cookie


def test_behind_https_the_cookie_is_secure_and_of_this_host_alone(
    database_url: str, tmp_path: Path
) -> None:
    public = {"public_url": "https://keepsake.example"}
    settings = Settings.model_validate(
        {"database_url": database_url, "keepsake_home": str(tmp_path), **public}
    )
    with connect(database_url) as db, serving(create_app(settings)) as url:
        add_user(db, EMAIL, "Rose")
        asked = request_sign_in(db, EMAIL)
        assert asked is not None
        headers = {"Host": "keepsake.example", "Origin": "https://keepsake.example"}
        answer = httpx.post(f"{url}/sign-in/{asked.link}", headers=headers)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-keepsake=")
        assert "Secure" in cookie
        headers["Cookie"] = cookie.partition(";")[0]
        assert httpx.get(f"{url}/api/me", headers=headers).json()["name"] == "Rose"


def test_signing_out_ends_the_session_on_the_server(
    browser: httpx.Client, nobody: httpx.Client, asked: SignIn
) -> None:
    browser.post(f"/sign-in/{asked.link}")
    cookies = dict(browser.cookies)
    assert browser.post("/sign-out").headers["Location"] == "/sign-in"
    assert not browser.cookies
    nobody.cookies.update(cookies)
    assert me(nobody) is None


def test_signing_in_again_ends_the_session_of_before(
    door: Door, browser: httpx.Client, asked: SignIn
) -> None:
    browser.post(f"/sign-in/{asked.link}")
    again = request_sign_in(door.db, EMAIL)
    assert again is not None
    browser.post(f"/sign-in/{again.link}")
    assert me(browser) == "Rose"
    assert door.db.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
    assert [write.action for write in writes(door.db)] == ["session.start"] * 2


def test_a_session_sees_the_owners_of_its_user_only(browser: httpx.Client, asked: SignIn) -> None:
    browser.post(f"/sign-in/{asked.link}")
    answer = browser.get("/api/me").json()
    assert [each["owner"] for each in answer["owners"]] == ["the-marlows"]


def test_a_token_counts_and_not_the_cookie_beside_it(browser: httpx.Client, asked: SignIn) -> None:
    browser.post(f"/sign-in/{asked.link}")
    answer = browser.get("/api/me", headers={"Authorization": "Bearer ksp_wrong"})
    assert answer.status_code == 401


# -- other sites --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
        {"Sec-Fetch-Site": "none", "Origin": "http://127.0.0.1:1"},
    ],
    ids=str,
)
def test_what_another_site_makes_a_browser_send_changes_nothing(
    browser: httpx.Client, asked: SignIn, headers: dict[str, str]
) -> None:
    refused = browser.post(f"/sign-in/{asked.link}", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "cross_site")
    browser.post(f"/sign-in/{asked.link}")
    for path in ("/sign-out", "/api/bookmarks"):
        assert browser.post(path, headers=headers).json()["code"] == "cross_site"
    assert me(browser) == "Rose"


def test_a_session_without_a_word_on_where_it_is_from_changes_nothing(
    nobody: httpx.Client, asked: SignIn
) -> None:
    nobody.post(f"/sign-in/{asked.link}")
    assert me(nobody) == "Rose"
    assert nobody.post("/sign-out").json()["code"] == "cross_site"


def test_an_old_browser_that_names_our_origin_is_let_through(
    door: Door, nobody: httpx.Client, asked: SignIn
) -> None:
    nobody.post(f"/sign-in/{asked.link}")
    assert nobody.post("/sign-out", headers={"Origin": door.url}).status_code == 303


def test_a_program_with_a_token_is_of_no_site(door: Door) -> None:
    client = door.client("ingest", "read")
    answer = client.post("/api/bookmarks", json={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.json()["code"] == "invalid_input"
