"""Messages of the whole system: to operators, by each channel that the settings name."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier
from starlette.responses import PlainTextResponse, Response

from keepsake.database import Connection, Pool
from keepsake.delivery.channels import Content, slack_message
from keepsake.delivery.outbox import Result, deliver, enqueue, messages
from keepsake.delivery.signatures import new_secret
from keepsake.errors import SettingsError
from keepsake.settings import DeliverySettings, load_settings
from tests.delivery.test_outbox import message, rows, the_pause_passes
from tests.doubles.server import serving
from tests.doubles.slack import PATH, Slack
from tests.doubles.smtp import Mailbox, mailbox
from tests.doubles.webhook import Webhook

PAYLOAD = {
    "text": "Records that failed: 12 of 48, above 10 %.",
    "fields": [["Severity", "high"], ["About", "<@U1> & co"]],
    "link": "https://keepsake.example/alerts",
}
SECRET = new_secret()


@pytest.fixture(scope="module")
def slack() -> Iterator[tuple[Slack, str]]:
    double = Slack()
    with serving(double) as address:
        yield double, address + PATH


@pytest.fixture(scope="module")
def receiver() -> Iterator[tuple[Webhook, str]]:
    double = Webhook()
    with serving(double) as address:
        yield double, address


@pytest.fixture(autouse=True)
def _begin_empty(slack: tuple[Slack, str], receiver: tuple[Webhook, str]) -> None:
    for double in (slack[0], receiver[0]):
        double.seen.clear()


def channels(**named: Any) -> DeliverySettings:
    return DeliverySettings.model_validate(named)


async def put(pool: Pool, channel: str, **fields: Any) -> None:
    new = {"owner_id": None, "channel": channel, "payload": PAYLOAD, **fields}
    async with pool.connection() as connection:
        assert await enqueue(connection, message(**new))


async def sent_to_slack(pool: Pool, address: str) -> list[Result]:
    return await deliver(pool, channels(slack_webhook_url=address))


async def test_an_operators_message_goes_to_apprise_addresses_of_alerts_alone(
    pool: Pool, receiver: tuple[Webhook, str]
) -> None:
    double, address = receiver
    await put(pool, "apprise")
    elsewhere = channels(
        notify_urls="json://127.0.0.1:9", alert_urls=address.replace("http", "json")
    )
    [result] = await deliver(pool, elsewhere)
    assert (result.owner_id, result.status) == (None, "sent")
    assert double.messages == ["A title\nSing to it."]


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as box:
        yield box


async def test_an_operators_message_is_mailed(pool: Pool, box: Mailbox) -> None:
    await put(pool, "apprise")
    url = f"mailto://{box.address}/?from=keepsake@example.org&to=ops@example.org"
    assert [result.status for result in await deliver(pool, channels(alert_urls=url))] == ["sent"]
    assert box.recipients == ["ops@example.org"]
    assert box.text().startswith("Sing to it.")


async def test_slack_takes_the_blocks_and_reads_no_mention_in_them(
    db: Connection, pool: Pool, slack: tuple[Slack, str]
) -> None:
    double, address = slack
    await put(pool, "slack")
    [result] = await sent_to_slack(pool, address)
    assert (result.status, result.detail) == ("sent", "Slack took it")
    header, text, fields, more = double.seen[-1].json["blocks"]
    assert header["text"]["text"] == "A title"
    assert text["text"]["text"] == PAYLOAD["text"]
    assert fields["fields"][1]["text"] == "*About*\n&lt;@U1&gt; &amp; co"
    assert more["elements"][0]["text"] == "<https://keepsake.example/alerts|Alerts in Keepsake>"
    assert [(row["body"], row["payload"]) for row in rows(db)] == [(None, None)], "it is removed"


async def test_slack_takes_the_longest_of_messages(pool: Pool, slack: tuple[Slack, str]) -> None:
    long = {"text": "&" * 9000, "fields": [["Many", "<" * 9000]] * 20}
    await put(pool, "slack", title="t" * 500, payload=long)
    assert [result.status for result in await sent_to_slack(pool, slack[1])] == ["sent"]


@pytest.mark.parametrize(
    ("answer", "status", "detail"),
    [
        (PlainTextResponse("invalid_token", 403), "failed", "refused it, for good: 403 invalid_"),
        (PlainTextResponse("", 302, {"Location": "/"}), "failed", "refused it, for good: 302"),
        (PlainTextResponse("slow down, Ada!", 429), "pending", "could not take it: 429"),
        (PlainTextResponse("rollup_error", 500), "pending", "could not take it: 500 rollup_error"),
    ],
    ids=["refused", "moved", "too often", "down"],
)
async def test_what_is_refused_for_good_is_not_tried_again(
    pool: Pool, db: Connection, slack: tuple[Slack, str], answer: Response, status: str, detail: str
) -> None:
    double, address = slack
    double.next(answer)
    await put(pool, "slack")
    [result] = await sent_to_slack(pool, address)
    assert (result.status, result.attempts) == (status, 1)
    assert detail in (result.detail or "")
    assert "Ada" not in (result.detail or "")
    the_pause_passes(db)
    assert len(await sent_to_slack(pool, address)) == (status == "pending")


async def test_a_host_that_is_away_is_tried_again_and_its_address_not_told(pool: Pool) -> None:
    await put(pool, "slack")
    [result] = await sent_to_slack(pool, "http://127.0.0.1:9/services/SeCrEt")
    assert (result.status, result.detail) == ("pending", "no connection to Slack")


async def test_a_channel_that_breaks_off_may_have_taken_it(
    pool: Pool, slack: tuple[Slack, str]
) -> None:
    slack[0].delay = 5.0
    await put(pool, "slack")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keepsake.delivery.channels.POST_SECONDS", 0.2)
        [result] = await sent_to_slack(pool, slack[1])
    slack[0].delay = 0.0
    assert (result.status, result.detail) == ("unknown", "Slack did not answer: ReadTimeout")


async def test_a_webhook_is_signed_as_receivers_verify_and_keeps_its_id_when_tried_again(
    db: Connection, pool: Pool, receiver: tuple[Webhook, str]
) -> None:
    double, address = receiver
    double.next(Response(status_code=503))
    settings = channels(alert_webhook_url=address, alert_webhook_secret=SECRET)
    await put(pool, "webhook", key="alert/12/firing")
    await deliver(pool, settings)
    the_pause_passes(db)
    [result] = await deliver(pool, settings)
    assert (result.status, result.attempts) == ("sent", 2)
    for seen in double.seen:
        event = Verifier(SECRET).verify(seen.body.decode(), dict(seen.headers))
        assert seen.headers["webhook-id"] == event["id"] == "alert_12_firing"
    assert event["type"] == "test"
    assert event["data"] == {"text": PAYLOAD["text"], "link": PAYLOAD["link"]}
    assert datetime.fromisoformat(event["timestamp"]) > datetime.now(UTC) - timedelta(minutes=1)


async def test_one_channel_that_fails_holds_back_no_other(
    pool: Pool, db: Connection, receiver: tuple[Webhook, str]
) -> None:
    settings = channels(
        slack_webhook_url="http://127.0.0.1:9/",
        alert_webhook_url=receiver[1],
        alert_webhook_secret=SECRET,
    )
    for channel in ("slack", "webhook"):
        await put(pool, channel)
    await deliver(pool, settings)
    assert {each.channel: each.status for each in messages(db)} == {
        "slack": "pending",
        "webhook": "sent",
    }


@pytest.mark.usefixtures("ada")
async def test_an_operators_message_is_sent_first_and_where_addresses_of_owners_are_unread(
    pool: Pool, db: Connection, receiver: tuple[Webhook, str], tmp_path: Path
) -> None:
    service = receiver[1].replace("http", "json")
    async with pool.connection() as connection:
        await enqueue(connection, message())
    await put(pool, "apprise", title="An alert")
    unread = channels(alert_urls=service, notify_config=str(tmp_path / "none.yml"))
    with pytest.raises(SettingsError, match="NOTIFY_CONFIG"):
        await deliver(pool, unread)
    assert receiver[0].messages == ["An alert\nSing to it."]
    await put(pool, "apprise", key="test/2", title="Another")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keepsake.delivery.outbox.SENDERS", 1)
        await deliver(pool, channels(alert_urls=service, notify_urls=service))
    assert receiver[0].messages[1:] == ["Another\nSing to it.", "A title\nSing to it."]


async def test_a_message_waits_for_a_channel_that_no_setting_names(pool: Pool) -> None:
    await put(pool, "slack")
    assert await deliver(pool, channels()) == []


def test_a_message_without_fields_and_link_has_text_alone() -> None:
    content = Content("k", "test", datetime.now(UTC), "T", "B", {"text": "Hello."})
    assert [block["type"] for block in slack_message(content)["blocks"]] == ["header", "section"]
    linked = replace(content, payload={"text": "Hello.", "link": "https://keepsake.example/a"})
    assert json.dumps(slack_message(linked)).count("keepsake.example") == 1


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"ALERT_WEBHOOK_URL": "https://a.example/"}, "needs ALERT_WEBHOOK_SECRET"),
        ({"ALERT_WEBHOOK_SECRET": "SeCrEt"}, "ALERT_WEBHOOK_SECRET: must be whsec_"),
        ({"ALERT_WEBHOOK_SECRET": "whsec_c2hvcnQ="}, "24 to 64 random bytes"),
        ({"SLACK_WEBHOOK_URL": "hooks.slack.com/SeCrEt"}, "SLACK_WEBHOOK_URL: must start with"),
        ({"ALERTMANAGER_URL": "alertmanager:9093"}, "ALERTMANAGER_URL: must start with http"),
    ],
    ids=["unsigned", "no secret", "short secret", "no scheme", "no scheme of Alertmanager"],
)
def test_a_channel_that_cannot_work_is_said_at_start(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], complaint: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert complaint in str(raised.value)
    assert "SeCrEt" not in str(raised.value)
