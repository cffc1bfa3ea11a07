"""How alerts reach people and programs: what is said, to whom, and once."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from keepsake.database import Connection, Pool, open_pool
from keepsake.delivery.outbox import messages
from keepsake.delivery.signatures import new_secret
from keepsake.monitoring.alerts.delivery import (
    REMEDIES,
    deliver_messages,
    notify,
    post_to_alertmanager,
    send_test,
    tell_alertmanager,
)
from keepsake.monitoring.alerts.rules import Metric, NewRule, add_rule, find_rule, mute_rule
from keepsake.monitoring.alerts.states import Alert, Event
from keepsake.settings import Settings
from tests.doubles.alertmanager import Alertmanager
from tests.doubles.server import serving
from tests.doubles.slack import PATH, Slack
from tests.doubles.webhook import Webhook

NOW = datetime.now(UTC).replace(microsecond=0)
ALERT = Alert(
    12, 3, None, "Many records fail", "high", "", "firing", 0.25, 0.1, "failure_rate",
    "Share of records that failed, in 5 minutes: 25 %, above 10 %.", NOW, None,
)  # fmt: skip
ENDED = replace(ALERT, state="resolved", resolved_at=NOW + timedelta(minutes=9))


class Doubles:
    """Slack, a webhook, a service of apprise and Alertmanager, and settings that name all four."""

    def __init__(self, slack: str, webhook: str, service: str, alertmanager: str) -> None:
        self.named: dict[str, Any] = {
            "alert_urls": service.replace("http:", "json:"),
            "slack_webhook_url": slack + PATH,
            "alert_webhook_url": webhook,
            "alert_webhook_secret": new_secret(),
            "alertmanager_url": alertmanager + "/",
            "public_url": "https://keepsake.example",
        }

    slack, webhook, service, alertmanager = Slack(), Webhook(), Webhook(), Alertmanager()

    def settings(self, **more: Any) -> Settings:
        return Settings.model_validate({**self.named, **more})


@pytest.fixture(scope="module")
def _served() -> Iterator[Doubles]:
    with (
        serving(Doubles.slack) as slack,
        serving(Doubles.webhook) as webhook,
        serving(Doubles.service) as service,
        serving(Doubles.alertmanager) as alertmanager,
    ):
        yield Doubles(slack, webhook, service, alertmanager)


@pytest.fixture
def doubles(_served: Doubles) -> Doubles:
    for double in (_served.slack, _served.webhook, _served.service, _served.alertmanager):
        double.seen.clear()
    _served.alertmanager.alerts.clear()
    return _served


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, size=6) as pool:
        yield pool


async def tell(pool: Pool, settings: Settings, alert: Alert, event: Event = "firing") -> None:
    async with pool.connection() as connection, connection.transaction():
        await notify(connection, alert, event, settings=settings)


# -- to operators ---------------------------------------------------------------------------------


async def test_an_alert_of_the_system_is_sent_once_by_every_channel_that_is_set(
    pool: Pool, doubles: Doubles
) -> None:
    settings = doubles.settings()
    for _ in range(2):
        await tell(pool, settings, ALERT)
        await deliver_messages(pool, settings)
    assert len(doubles.slack.seen) == len(doubles.webhook.seen) == len(doubles.service.seen) == 1


async def test_a_message_says_what_since_when_what_to_do_and_where_to_look(
    pool: Pool, doubles: Doubles
) -> None:
    settings = doubles.settings()
    await tell(pool, settings, ALERT)
    await deliver_messages(pool, settings)
    [said] = doubles.service.messages
    assert said.startswith(f"Keepsake: Many records fail (high)\n{ALERT.message}")
    assert f"Since {NOW.day} {NOW:%B %Y, %H:%M} UTC." in said
    assert REMEDIES["failure_rate"] in said
    assert said.endswith("https://keepsake.example/alerts")
    event = doubles.webhook.seen[0].json
    assert (event["id"], event["type"]) == ("alert_12_firing", "alert.firing")
    assert event["data"] == {
        "alert_id": 12, "rule_id": 3, "rule": "Many records fail", "metric": "failure_rate",
        "subject": "", "severity": "high", "value": 0.25, "threshold": 0.1,
        "fired_at": NOW.isoformat(), "resolved_at": None,
        "text": f"{ALERT.message} {REMEDIES['failure_rate']}",
        "link": "https://keepsake.example/alerts",
    }  # fmt: skip


async def test_the_end_of_an_alert_is_told_and_says_how_long_it_lasted(
    pool: Pool, doubles: Doubles
) -> None:
    settings = doubles.settings()
    for alert, event in ((ALERT, "firing"), (ENDED, "resolved")):
        await tell(pool, settings, alert, event)  # type: ignore[arg-type]
        await deliver_messages(pool, settings)
    _, second = doubles.service.messages
    assert second.startswith("Resolved: Many records fail\n")
    assert f"to {NOW.day}" in second
    assert REMEDIES["failure_rate"] not in second
    assert [seen.json["type"] for seen in doubles.webhook.seen] == [
        "alert.firing",
        "alert.resolved",
    ]


async def test_that_it_fires_is_not_told_after_it_has_ended(
    db: Connection, pool: Pool, doubles: Doubles
) -> None:
    settings = doubles.settings(alert_urls="", alert_webhook_url="")
    await tell(pool, settings, ALERT)
    await tell(pool, settings, ENDED, "resolved")
    await deliver_messages(pool, settings)
    assert [seen.json["text"] for seen in doubles.slack.seen] == ["Resolved: Many records fail"]
    assert [(each.key, each.status) for each in messages(db)] == [
        ("alert/12/resolved", "sent"),
        ("alert/12/firing", "expired"),
    ]


async def test_without_a_channel_nothing_waits(db: Connection, pool: Pool) -> None:
    await tell(pool, Settings.model_validate({}), ALERT)
    assert messages(db) == []


async def test_an_alert_of_a_transaction_that_is_rolled_back_reaches_nobody(
    pool: Pool, doubles: Doubles
) -> None:
    settings = doubles.settings()
    async with pool.connection() as connection, connection.transaction(force_rollback=True):
        await notify(connection, ALERT, "firing", settings=settings)
    await deliver_messages(pool, settings)
    assert doubles.slack.seen == []


async def test_a_monitor_that_is_stopped_finishes_the_message_that_it_sends(
    db: Connection, pool: Pool, doubles: Doubles
) -> None:
    settings = doubles.settings(slack_webhook_url="", alert_webhook_url="")
    await tell(pool, settings, ALERT)
    doubles.service.open.clear()
    doubles.service.asked.clear()
    duty = asyncio.create_task(deliver_messages(pool, settings))
    assert await asyncio.to_thread(doubles.service.asked.wait, 10)
    duty.cancel()
    doubles.service.open.set()
    with pytest.raises(asyncio.CancelledError):
        await duty
    assert [each.status for each in messages(db)] == ["sent"]


def test_every_metric_says_what_to_do() -> None:
    assert set(REMEDIES) == set(get_args(Metric))


# -- to owners ------------------------------------------------------------------------------------


async def test_an_owners_alert_goes_to_its_addresses_and_webhooks_and_to_no_operator(
    db: Connection, pool: Pool, doubles: Doubles, ada: int
) -> None:
    settings = doubles.settings(notify_urls=doubles.named["alert_urls"])
    db.execute(
        "INSERT INTO webhook_endpoints (owner_id, url) VALUES (%s, 'https://a.test')", (ada,)
    )
    theirs = replace(ALERT, owner_id=ada)
    await tell(pool, settings, theirs)
    await deliver_messages(pool, settings)
    [said] = doubles.service.messages
    assert said.endswith("https://keepsake.example/o/ada/alerts")
    assert (doubles.slack.seen, doubles.webhook.seen) == ([], [])
    [(event, about)] = db.execute(
        "SELECT data ->> 'event', (data ->> 'body')::jsonb -> 'data' FROM jobs"
    ).fetchall()
    assert event == "alert.firing"
    assert about == {
        "alert_id": 12, "rule_id": 3, "metric": "failure_rate", "subject": "", "severity": "high",
        "value": 0.25, "threshold": 0.1, "fired_at": NOW.isoformat(), "resolved_at": None,
    }  # fmt: skip
    assert "Many" not in json.dumps(about), "what the owner called the rule stays here"


# -- Alertmanager ---------------------------------------------------------------------------------


@pytest.fixture
async def rule_id(pool: Pool) -> int:
    async with pool.connection() as connection:
        new = NewRule("Many fail", "failure_rate", 0.1, severity="critical")
        return await add_rule(connection, new, owner_id=None)


def fire(db: Connection, rule_id: int, **columns: Any) -> None:
    row = {"state": "firing", "value": 0.25, "since": NOW, "fired_at": NOW, **columns}
    db.execute(
        f"INSERT INTO alerts (rule_id, {', '.join(row)})"
        f" VALUES ({rule_id}, {', '.join(['%s'] * len(row))})",
        list(row.values()),
    )


async def test_alertmanager_is_told_what_fires_again_and_again_until_it_ends(
    db: Connection, pool: Pool, doubles: Doubles, rule_id: int
) -> None:
    settings = doubles.settings()
    fire(db, rule_id, subject="tags")
    for _ in range(2):
        await tell_alertmanager(pool, settings)
    assert len(doubles.alertmanager.seen) == 2
    assert doubles.alertmanager.firing == ["Many fail"]
    [alert] = doubles.alertmanager.alerts.values()
    assert alert["labels"] == {
        "alertname": "Many fail", "service": "keepsake", "severity": "critical",
        "metric": "failure_rate", "subject": "tags",
    }  # fmt: skip
    assert alert["startsAt"] == NOW.isoformat()
    assert alert["generatorURL"] == "https://keepsake.example/alerts"
    assert "tags" in alert["annotations"]["summary"]
    db.execute("UPDATE alerts SET state = 'resolved', resolved_at = now()")
    await tell_alertmanager(pool, settings)
    assert doubles.alertmanager.firing == []


async def test_what_is_pending_muted_or_long_over_is_not_posted(
    db: Connection, pool: Pool, doubles: Doubles, rule_id: int
) -> None:
    settings, long_ago = doubles.settings(), NOW - timedelta(hours=1)
    fire(db, rule_id, subject="a", state="pending", fired_at=None)
    fire(db, rule_id, subject="b", state="resolved", fired_at=long_ago, resolved_at=long_ago)
    await tell_alertmanager(pool, settings)
    fire(db, rule_id, subject="c")
    async with pool.connection() as connection, connection.transaction():
        rule = await find_rule(connection, rule_id, owner_id=None)
        assert rule is not None
        await mute_rule(connection, rule, NOW + timedelta(hours=1))
    await tell_alertmanager(pool, settings)
    assert doubles.alertmanager.seen == []


async def test_an_alertmanager_that_is_away_is_no_fault(
    db: Connection, pool: Pool, doubles: Doubles, rule_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    fire(db, rule_id)
    await tell_alertmanager(pool, doubles.settings(alertmanager_url="http://127.0.0.1:9"))
    assert "alerts were not posted: no connection to Alertmanager" in caplog.text


async def test_what_alertmanager_refuses_is_said(doubles: Doubles) -> None:
    delivery = await post_to_alertmanager(
        doubles.named["alertmanager_url"] + "elsewhere", [ALERT], link="https://keepsake.example"
    )
    assert delivery is not None
    assert (delivery.status, delivery.detail) == (
        "failed", "Alertmanager refused it, for good: 404",
    )  # fmt: skip


# -- trying it out --------------------------------------------------------------------------------


async def test_a_test_alert_goes_out_by_every_channel_and_each_says_how_it_fared(
    doubles: Doubles,
) -> None:
    found = await send_test(doubles.settings(slack_webhook_url="http://127.0.0.1:9/"))
    assert {name: delivery.status for name, delivery in found.items()} == {
        "apprise": "sent", "slack": "failed", "webhook": "sent", "alertmanager": "sent",
    }  # fmt: skip
    assert "This is a test" in doubles.service.messages[0]
    assert doubles.alertmanager.firing == ["Test of alerts"]
