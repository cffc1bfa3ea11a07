"""Notifications: delivered through apprise, each outcome distinguished, no address repeated."""

from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from keepsake.delivery.notifications import notify, read_addresses
from keepsake.errors import SettingsError
from keepsake.settings import Settings
from tests.doubles.server import Double, serving


class Inbox(Double):
    """Takes every message."""

    async def answer(self, request: Request) -> Response:
        return Response("ok")


async def test_message_reaches_every_address() -> None:
    inbox = Inbox()
    with serving(inbox) as address:
        urls = [f"json://{address[7:]}/one", f"json://{address[7:]}/two"]
        delivery = await notify(urls, title="Today", body="Bread rises <slowly>.")
    assert delivery.status == "sent"
    assert delivery.detail == "2 of 2 addresses took it"
    assert sorted(seen.path for seen in inbox.seen) == ["/one", "/two"]
    assert {seen.json["message"] for seen in inbox.seen} == {"Bread rises <slowly>."}


async def test_failed_address_is_counted_but_not_named() -> None:
    inbox = Inbox()
    with serving(inbox) as address:
        inbox.next(Response("no", 403))
        failed = await notify([f"json://user:pass@{address[7:]}/"], title="T", body="b")
        urls = [f"json://{address[7:]}/one", "slack://bad", "nonsense"]
        partly = await notify(urls, title="T", body="b")
    assert failed.status == "failed"
    assert failed.detail == "0 of 1 address took it; failed: JSON"
    assert partly.status == "sent"
    assert partly.detail.startswith("1 of 3 addresses took it; 2 cannot be read")
    assert "pass" not in failed.detail


async def test_no_address_that_can_be_read_is_a_failure() -> None:
    assert (await notify([], title="T", body="b")).status == "failed"
    assert (await notify(["nonsense"], title="T", body="b")).status == "failed"


async def test_an_address_that_does_not_answer_in_time_may_have_taken_it() -> None:
    inbox = Inbox()
    inbox.delay = 2
    with serving(inbox) as address:
        late = await notify([f"json://{address[7:]}/"], title="T", body="b", seconds=0.2)
    assert late.status == "unknown"
    assert late.detail == "0 of 1 address took it; no answer within 0.2 s: JSON"


async def test_an_address_that_answers_slowly_has_taken_it() -> None:
    """Apprise by itself would call it failed after 4 seconds, and it would be sent again."""
    inbox = Inbox()
    inbox.delay = 4.5
    with serving(inbox) as address:
        slow = await notify([f"json://{address[7:]}/"], title="T", body="b")
    assert slow.status == "sent"


def test_family_gets_the_common_addresses_and_its_own(tmp_path: Path) -> None:
    config = tmp_path / "apprise.yml"
    config.write_text(
        "urls:\n  - json://host.test/ours:\n      tag: garcia\n"
        "  - json://host.test/theirs:\n      tag: smith\n"
    )
    settings = Settings.model_validate(
        {"notify_urls": "json://host.test/all", "notify_config": str(config)}
    )
    urls = read_addresses(settings).of("garcia")
    assert urls[0] == "json://host.test/all"
    assert [url.partition("?")[0].rstrip("/") for url in urls[1:]] == ["json://host.test/ours"]


def test_no_name_of_an_owner_stands_for_all_addresses(tmp_path: Path) -> None:
    config = tmp_path / "apprise.yml"
    config.write_text(
        "urls:\n  - json://host.test/ours:\n      tag: garcia\n  - json://host.test/none\n"
        "  - json://host.test/both:\n      tag: garcia, smith\n"
    )
    addresses = read_addresses(Settings.model_validate({"notify_config": str(config)}))
    paths = {
        name: [url.partition("?")[0].rstrip("/").rsplit("/", 1)[1] for url in addresses.of(name)]
        for name in ("all", "always", "garcia", "smith")
    }
    assert paths == {"all": [], "always": [], "garcia": ["ours", "both"], "smith": ["both"]}


def test_unreadable_configuration_names_the_variable(tmp_path: Path) -> None:
    settings = Settings.model_validate({"notify_config": str(tmp_path / "none.yml")})
    with pytest.raises(SettingsError, match="NOTIFY_CONFIG"):
        read_addresses(settings).of("garcia")
