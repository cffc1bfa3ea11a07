"""Signing in at an OpenID Connect provider, and what a false or careless one brings about."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey
from pydantic import ValidationError

from keepsake.accounts.users import add_user
from keepsake.api.app import create_app
from keepsake.database import connect
from keepsake.local.ports import free_port
from keepsake.settings import AccountSettings, Settings
from tests.api.serving import serving
from tests.doubles.oidc import CLIENT, Provider
from tests.doubles.server import serving as serving_double


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    with serving_double(provider) as provider.issuer:
        yield provider


@pytest.fixture
def browser(provider: Provider, database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A browser before a Keepsake that has the user Rose and knows the provider."""
    settings = Settings.model_validate(
        {
            "database_url": database_url,
            "keepsake_home": str(tmp_path),
            "oidc_issuer": provider.issuer,
            "oidc_client_id": CLIENT[0],
            "oidc_client_secret": CLIENT[1],
            "public_url": f"http://127.0.0.1:{free_port()}",
        }
    )
    with connect(database_url) as db, serving(create_app(settings)) as url:
        add_user(db, "rose@example.org", "Rose")
        with httpx.Client(base_url=url, timeout=20) as client:
            yield client


def come_back(browser: httpx.Client, next: str = "/docs") -> httpx.Response:
    """Sign in at the provider, and come back with what it says."""
    away = browser.get("/sign-in/oidc", params={"next": next})
    back = httpx.URL(httpx.get(away.headers["Location"]).headers["Location"])
    return browser.get(back.raw_path.decode())


def is_signed_in(browser: httpx.Client) -> bool:
    return browser.get("/api/me").is_success


def test_the_form_offers_it(browser: httpx.Client) -> None:
    assert "Sign in with 127.0.0.1" in browser.get("/sign-in").text


def test_whom_the_provider_names_is_signed_in_and_led_on(browser: httpx.Client) -> None:
    answer = come_back(browser)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/docs")
    assert browser.get("/api/me").json()["name"] == "Rose"


def test_nobody_is_led_to_another_site(browser: httpx.Client) -> None:
    assert come_back(browser, "//evil.example").headers["Location"] == "/"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"email_verified": False}, "has verified"),
        ({"email_verified": "true"}, "has verified"),
        ({"email_verified": None}, "has verified"),
        ({"email": "zoe@example.org"}, "no user of your address"),
        ({"email": None}, "no user of your address"),
        ({"aud": "another-client"}, "not signed for us"),
        ({"iss": "https://evil.example"}, "not signed for us"),
        ({"nonce": "of another sign-in"}, "not signed for us"),
        # A moment of its own, as ids hold it: every process has to collect the same tests.
        ({"exp": 1_700_000_000}, "not signed for us"),
    ],
    ids=str,
)
def test_who_is_not_named_for_sure_is_not_signed_in(
    browser: httpx.Client, provider: Provider, claims: dict[str, Any], why: str
) -> None:
    provider.claims |= claims
    answer = come_back(browser)
    assert answer.status_code == 403
    assert why in answer.text
    assert not is_signed_in(browser)


def test_a_token_that_another_key_signed_counts_for_nothing(
    browser: httpx.Client, provider: Provider
) -> None:
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "1"})
    assert "not signed for us" in come_back(browser).text
    assert not is_signed_in(browser)


def test_an_answer_to_anothers_question_signs_in_nobody(browser: httpx.Client) -> None:
    away = browser.get("/sign-in/oidc").headers["Location"]
    back = httpx.URL(httpx.get(away).headers["Location"]).raw_path.decode()
    browser.cookies.clear()  # the link was sent to somebody else
    assert "not begun in this browser" in browser.get(back).text
    browser.get("/sign-in/oidc")  # who has begun a sign-in of their own
    assert "not begun in this browser" in browser.get(back).text
    assert not is_signed_in(browser)


def test_a_provider_that_is_away_is_said_to_be(browser: httpx.Client, provider: Provider) -> None:
    provider.issuer = "https://another.example"
    assert "another than OIDC_ISSUER" in browser.get("/sign-in/oidc").text


def test_without_a_client_id_nothing_starts() -> None:
    with pytest.raises(ValidationError, match="OIDC_CLIENT_ID is empty"):
        AccountSettings.model_validate({"oidc_issuer": "https://id.example"})
