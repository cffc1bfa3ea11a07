"""The mail to sign in with, through apprise to a real mail server."""

import logging

import pytest
from pydantic import ValidationError

from keepsake.accounts.sign_in import SignIn
from keepsake.delivery.sign_in_mail import send_sign_in_mail
from keepsake.settings import AccountSettings
from tests.doubles.smtp import mailbox

ADA = SignIn("ada+tag@example.org", "Ada", "a" * 43, "012345")


def settings(url: str) -> AccountSettings:
    return AccountSettings.model_validate({"sign_in_mail": url})


async def test_the_mail_goes_to_the_person_with_link_and_code() -> None:
    with mailbox() as box:
        url = f"mailto://{box.address}/?from=keepsake@example.org&to={{email}}"
        assert await send_sign_in_mail(settings(url), ADA, base_url="https://keepsake.example")
    assert box.recipients == ["ada+tag@example.org"]
    assert box.messages[-1]["subject"] == "Sign in to Keepsake"
    assert f"https://keepsake.example/sign-in/{ADA.link}\n" in box.text()
    assert "code where you asked for it: 012345\n" in box.text()


async def test_a_mail_that_cannot_be_sent_is_logged_without_address_and_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = "mailto://user:pass@127.0.0.1:9/?from=keepsake@example.org&to={email}"
    with caplog.at_level(logging.DEBUG):
        assert not await send_sign_in_mail(settings(url), ADA, base_url="https://x.example")
    assert "was not sent" in caplog.text
    for secret in ("ada", ADA.link, ADA.code, "pass@"):
        assert secret not in caplog.text


def test_the_setting_says_where_the_persons_address_goes() -> None:
    with pytest.raises(ValidationError, match=r"must have \{email\}"):
        settings("mailto://127.0.0.1/?to=ada@example.org")
