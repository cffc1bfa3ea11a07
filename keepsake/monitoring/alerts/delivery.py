"""How people and programs are told of an alert: what a message says, and to whom it goes.

Alerts about the whole system go to the operators, by each channel that the settings name, and to
Alertmanager; an owner's to the owner's addresses and webhooks. When and how often is decided by
`states.py`; how a message is sent, once, by `keepsake/delivery/`.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from keepsake.database import AsyncConnection, Pool
from keepsake.delivery.channels import Content, operators_channels, post_json
from keepsake.delivery.notifications import Delivery
from keepsake.delivery.outbox import CHANNEL, NewMessage, deliver, enqueue, withdraw
from keepsake.monitoring.alerts.listing import latest_alerts
from keepsake.monitoring.alerts.rules import Metric, rules
from keepsake.monitoring.alerts.states import Alert, Event
from keepsake.settings import Settings
from keepsake.text.moments import when

log = logging.getLogger(__name__)

WORTH = timedelta(days=1)  # of telling; later it is old news
BEGIN_WITHIN = 20.0  # seconds of a round in which messages are begun
# As Prometheus does: what is not posted again ends by itself, what has ended is posted for a while.
HOLDS = timedelta(minutes=4)
ENDED_LATELY = timedelta(minutes=15)

# What to do first, by what was measured.
REMEDIES: Mapping[Metric, str] = {
    "failure_rate": "See which steps fail and why on the page Monitoring, or with `keepsake "
    "status`; `keepsake retry` tries again once the cause is gone.",
    "records_failed": "See which steps fail and why on the page Monitoring, or with `keepsake "
    "status`; `keepsake retry` tries again once the cause is gone.",
    "queue_oldest_age": "See whether Dagster runs (`keepsake doctor`), and what the queue waits "
    "for on the page Monitoring: a budget, a pace, or a model that is slow.",
    "queue_depth": "See on the page Monitoring what the queue waits for; more runs at once may "
    "help (docs/operations.md, limits).",
    "orchestrator_down": "Run `keepsake doctor` and `keepsake logs`; start again what has ended "
    "with `keepsake up`.",
    "storage_used_ratio": "Make room in the object store, or raise OBJECTS_QUOTA with the disk.",
    "disk_used_ratio": "Make room on the disk of KEEPSAKE_HOME: what takes it is in "
    "docs/operations.md, what takes space.",
    "database_bytes": "See which tables grow, and make room on the disk of the database.",
    "budget_spent_ratio": "See `keepsake costs`; raise the budget with `keepsake owner`, or let "
    "the work wait for the next month.",
    "model_days_left": "Set another model in the settings before this one is switched off.",
    "unpriced_calls": "Add the model's price to PRICES_FILE: until then budgets do not count it.",
    "backup_age": "Run `keepsake backup create`, and see why none was made by night.",
    "days_to_expiry": "Renew the certificate, or make a new token (`keepsake token create`), and "
    "put it in place of the old one.",
    "endpoint_failures": "Run `keepsake doctor`, which asks every model endpoint; work goes on by "
    "itself once it answers.",
    "webhook_failures": "See `keepsake webhooks list` and what each endpoint answered; send again "
    "what it did not take with `keepsake webhooks replay`.",
    "workers": "Start a worker: `keepsake up`, or `keepsake jobs work` where parts run by "
    "themselves.",
}


async def notify(
    connection: AsyncConnection, alert: Alert, event: Event, *, settings: Settings
) -> None:
    """Tell of an alert that fires or has ended, in the transaction in which it does.

    Each channel gets a message once, whoever asks again. That an alert fires is not told any more
    where it still waits to be when it ends.
    """
    log.log(
        logging.WARNING if event == "firing" else logging.INFO,
        "alert %d of rule %d: %s", alert.id, alert.rule_id, event,
    )  # fmt: skip
    key = f"alert/{alert.id}"
    if event == "resolved":
        reason = "the alert ended before it could be sent"
        await withdraw(connection, alert.owner_id, f"{key}/firing", reason=reason)
    if alert.owner_id is None:
        channels, link = list(operators_channels(settings)), f"{settings.base_url}/alerts"
    else:
        channels, link = [CHANNEL], await _owners_link(connection, alert.owner_id, settings)
        await _tell_webhooks(connection, alert.owner_id, alert, event)
    at = alert.resolved_at or alert.fired_at or datetime.now(UTC)
    for channel in channels:
        await enqueue(
            connection,
            NewMessage(
                alert.owner_id,
                f"alert.{event}",
                f"{key}/{event}",
                title=title_of(alert, event),
                body=body_of(alert, event, link),
                payload=payload_of(alert, event, link),
                expires_at=at + WORTH,
                channel=channel,
            ),
        )


async def _owners_link(connection: AsyncConnection, owner_id: int, settings: Settings) -> str:
    cursor = await connection.execute("SELECT slug FROM owners WHERE id = %s", (owner_id,))
    ((slug,),) = await cursor.fetchall()
    return f"{settings.base_url}/o/{slug}/alerts"


async def _tell_webhooks(
    connection: AsyncConnection, owner_id: int, alert: Alert, event: Event
) -> None:
    """Ids and figures alone, as in all events: the name of a rule is its owner's own words."""
    about = {name: value for name, value in _facts(alert).items() if name != "rule"}
    await connection.execute(
        "SELECT tell_webhooks(%s, %s, %s)", (owner_id, f"alert.{event}", Jsonb(about))
    )


def title_of(alert: Alert, event: Event) -> str:
    """The first line of a message."""
    name = f"{alert.rule_name}: {alert.subject}" if alert.subject else alert.rule_name
    return f"Keepsake: {name} ({alert.severity})" if event == "firing" else f"Resolved: {name}"


def body_of(alert: Alert, event: Event, link: str) -> str:
    """The text of a message: what, since when, what to do, where to look."""
    return "\n\n".join(filter(None, (alert.message, _since(alert), _remedy(alert, event), link)))


def payload_of(alert: Alert, event: Event, link: str) -> dict[str, Any]:
    """The same for programs, and for Slack."""
    return {
        **_facts(alert),
        "text": " ".join(filter(None, (alert.message, _remedy(alert, event)))),
        "fields": [
            ["Severity", alert.severity],
            ["State", "firing" if event == "firing" else "resolved"],
            *([["About", alert.subject]] if alert.subject else []),
            ["When", _since(alert)],
        ],
        "link": link,
    }


def _facts(alert: Alert) -> dict[str, Any]:
    return {
        "alert_id": alert.id,
        "rule_id": alert.rule_id,
        "rule": alert.rule_name,
        "metric": alert.metric,
        "subject": alert.subject,
        "severity": alert.severity,
        "value": alert.value,
        "threshold": alert.threshold,
        "fired_at": alert.fired_at and alert.fired_at.isoformat(),
        "resolved_at": alert.resolved_at and alert.resolved_at.isoformat(),
    }


def _since(alert: Alert) -> str:
    begun = when(alert.fired_at.astimezone(UTC)) if alert.fired_at else "now"
    if alert.resolved_at is None:
        return f"Since {begun}."
    return f"From {begun} to {when(alert.resolved_at.astimezone(UTC))}."


def _remedy(alert: Alert, event: Event) -> str:
    return REMEDIES[alert.metric] if event == "firing" else ""


# -- the duties of the monitor --------------------------------------------------------------------


async def deliver_messages(pool: Pool, settings: Settings) -> None:
    """Send what is due to people. The monitor does so as well as Dagster, which may be dead.

    Cancelled, it ends once the messages that are just being sent are: one that breaks off is lost.
    """
    delivery = asyncio.create_task(deliver(pool, settings, begin_within=BEGIN_WITHIN))
    try:
        results = await asyncio.shield(delivery)
    except asyncio.CancelledError:
        await delivery
        raise
    for result in results:
        if result.failed:
            log.warning("%s", result)


async def tell_alertmanager(pool: Pool, settings: Settings) -> None:
    """Post the system's alerts that fire, and those that have ended lately, to Alertmanager.

    It wants all that fires again and again, and takes what ends from `endsAt`: so this goes by what
    is, and not through the outbox. Alerts of rules that are muted are left out.
    """
    url = settings.alertmanager_url.get_secret_value()
    if not url:
        return
    async with pool.connection() as connection:
        muted = {r.id for r in await rules(connection, owner_id=None) if _is_muted(r.muted_until)}
        found = await latest_alerts(connection, owner_id=None)
    told = [alert for alert in found if alert.rule_id not in muted]
    delivery = await post_to_alertmanager(url, told, link=f"{settings.base_url}/alerts")
    if delivery and delivery.status != "sent":
        log.warning("alerts were not posted: %s", delivery.detail)


def _is_muted(until: datetime | None) -> bool:
    return until is not None and until > datetime.now(UTC)


async def post_to_alertmanager(url: str, alerts: Sequence[Alert], *, link: str) -> Delivery | None:
    """Post those alerts that fire or have ended lately; None: there are none."""
    now = datetime.now(UTC)
    posted = [
        _for_alertmanager(alert, now, link)
        for alert in alerts
        if alert.state == "firing"
        or (alert.resolved_at is not None and alert.resolved_at > now - ENDED_LATELY)
    ]
    if not posted:
        return None
    return await post_json("Alertmanager", f"{url.rstrip('/')}/api/v2/alerts", posted)


def _for_alertmanager(alert: Alert, now: datetime, link: str) -> dict[str, Any]:
    labels = {
        "alertname": alert.rule_name,
        "service": "keepsake",
        "severity": alert.severity,
        "metric": alert.metric,
        "subject": alert.subject,
    }
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {"summary": alert.message, "description": REMEDIES[alert.metric]},
        "startsAt": (alert.fired_at or now).isoformat(),
        "endsAt": (alert.resolved_at or now + HOLDS).isoformat(),
        "generatorURL": link,
    }


# -- trying it out --------------------------------------------------------------------------------


async def send_test(settings: Settings) -> dict[str, Delivery]:
    """Send a test alert to the operators at once; how each channel took it, by its name.

    No row is written, and nothing is tried again.
    """
    now = datetime.now(UTC)
    alert = Alert(
        0, 0, None, "Test of alerts", "low", "", "firing", 1.0, 0.0, "workers",
        "This is a test: alerts of this Keepsake arrive here.", now, None,
    )  # fmt: skip
    link = f"{settings.base_url}/alerts"
    payload = {**payload_of(alert, "firing", link), "text": alert.message}
    content = Content(
        f"alert/test/{now:%Y%m%d%H%M%S%f}",
        "alert.test",
        now,
        title_of(alert, "firing"),
        f"{alert.message}\n\n{link}",
        payload,
    )
    found = {name: await send(content) for name, send in operators_channels(settings).items()}
    if url := settings.alertmanager_url.get_secret_value():
        delivery = await post_to_alertmanager(url, [alert], link=link)
        assert delivery is not None  # noqa: S101  # the alert fires
        found["alertmanager"] = delivery
    return found
