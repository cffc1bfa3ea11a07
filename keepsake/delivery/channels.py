"""Channels by which messages of the whole system reach its operators: apprise, Slack, a webhook.

A channel makes one attempt at a message and says how it fared; when one is made is the outbox's
matter, and what an alert says is `keepsake/monitoring/alerts/delivery.py`'s. An address may hold a
token, so none appears in what this module returns.

The addresses are settings of the operators themselves, and often of their own network: so a plain
client posts there, and not the guarded one (`keepsake/web/`), which is for addresses that owners,
pages and redirects name. It follows no redirects either.
"""

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from keepsake.delivery.notifications import Delivery, notify
from keepsake.delivery.signatures import signed_headers
from keepsake.settings import DeliverySettings

POST_SECONDS = 15.0  # for a connection, and again for each part of the answer
# A 4xx says that the message will not be taken, save for these: it came too early, or too often.
_LATER = {408, 425, 429}
# Slack's limits: https://docs.slack.dev/reference/block-kit/blocks
_HEADER, _SECTION, _FIELD, _FIELDS = 150, 3_000, 1_900, 10
# A word by which a service names what is wrong, such as `invalid_payload`; all else is not quoted.
_REASON = re.compile("[a-z_]{1,60}")


@dataclass(frozen=True)
class Content:
    """What a channel sends.

    Attributes:
        key: the same in every attempt, and of no other message of the channel.
        kind: what it is, such as `alert.firing`.
        created_at: when it was enqueued.
        title, body: plain text, for people.
        payload: the same for programs. `text`: what it says, in a paragraph; `fields`: what Slack
            shows in columns, pairs of a heading and a value; `link`: where more is to be seen.
    """

    key: str
    kind: str
    created_at: datetime
    title: str
    body: str
    payload: Mapping[str, Any]


Send = Callable[[Content], Awaitable[Delivery]]


def operators_channels(settings: DeliverySettings) -> dict[str, Send]:
    """What sends a message to the operators, by channel: those that the settings name."""
    urls = settings.alert_urls.get_secret_value().split()
    slack = settings.slack_webhook_url.get_secret_value()
    webhook = settings.alert_webhook_url.get_secret_value()
    secret = settings.alert_webhook_secret.get_secret_value()
    senders: dict[str, Send] = {}
    if urls:
        senders["apprise"] = partial(send_by_apprise, urls)
    if slack:
        senders["slack"] = partial(_send_to_slack, slack)
    if webhook:
        senders["webhook"] = partial(_send_to_webhook, webhook, secret)
    return senders


async def send_by_apprise(urls: Sequence[str], content: Content) -> Delivery:
    """Send a message to every one of the apprise URLs."""
    return await notify(urls, title=content.title, body=content.body)


async def _send_to_slack(url: str, content: Content) -> Delivery:
    return await post_json("Slack", url, slack_message(content))


def slack_message(content: Content) -> dict[str, Any]:
    """A message as Slack's incoming webhooks take it.

    The link is one in the text: a button would need an app that answers when it is pressed.
    """
    fields = content.payload.get("fields", [])
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": content.title[:_HEADER]}},
        {"type": "section", "text": _mrkdwn(_escaped(content.payload["text"], _SECTION))},
    ]
    if fields:
        columns = [_mrkdwn(f"*{name}*\n{_escaped(said, _FIELD)}") for name, said in fields]
        blocks.append({"type": "section", "fields": columns[:_FIELDS]})
    if link := content.payload.get("link"):
        blocks.append({"type": "context", "elements": [_mrkdwn(f"<{link}|Alerts in Keepsake>")]})
    return {"text": _escaped(content.title, _SECTION), "blocks": blocks}


def _mrkdwn(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text}


def _escaped(text: str, longest: int) -> str:
    """Text in which Slack reads no links and mentions. An escape takes up to 5 characters."""
    short = text if len(text) <= longest // 6 else text[: longest // 6] + "…"
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


async def _send_to_webhook(url: str, secret: str, content: Content) -> Delivery:
    """Post it as the webhooks of owners are, signed by the same rules (Standard Webhooks)."""
    message_id = content.key.replace("/", "_")
    body = {
        "id": message_id,
        "type": content.kind,
        "timestamp": content.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": {name: value for name, value in content.payload.items() if name != "fields"},
    }
    raw = json.dumps(body, ensure_ascii=False).encode()
    headers = signed_headers(message_id, raw, [secret], at=int(time.time()))
    return await _post("the webhook", url, raw, headers)


async def post_json(name: str, url: str, content: Any) -> Delivery:
    """Post JSON once; how a service of that name took it. Only 2xx is taken."""
    return await _post(name, url, json.dumps(content, ensure_ascii=False).encode(), {})


async def _post(name: str, url: str, body: bytes, headers: Mapping[str, str]) -> Delivery:
    import httpx2

    sent = {"Content-Type": "application/json", **headers}
    try:
        async with httpx2.AsyncClient(timeout=POST_SECONDS) as client:
            answer = await client.post(url, content=body, headers=sent)
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError):
        return Delivery("failed", f"no connection to {name}")
    except httpx2.HTTPError as error:  # it may have arrived all the same
        return Delivery("unknown", f"{name} did not answer: {type(error).__name__}")
    return _judged(name, answer.status_code, answer.text)


def _judged(name: str, status: int, said: str) -> Delivery:
    if 200 <= status < 300:
        return Delivery("sent", f"{name} took it")
    reason = f"{status} {said}" if _REASON.fullmatch(said) else str(status)
    if status in _LATER or status >= 500:
        return Delivery("failed", f"{name} could not take it: {reason}")
    return Delivery("failed", f"{name} refused it, for good: {reason}", final=True)
