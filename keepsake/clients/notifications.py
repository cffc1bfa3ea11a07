"""Delivery of a message by e-mail, Slack, SMS and whatever else apprise reaches.

An apprise URL holds a password or a token, so none ever appears in what this module returns or
raises. What is sent, and when, is not decided here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from keepsake.errors import SettingsError
from keepsake.settings import Settings

TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Delivery:
    """How a message fared.

    Attributes:
        sent: whether at least one address took it, so that sending it again would repeat it.
        detail: how many did, and which services did not. Holds no address.
    """

    sent: bool
    detail: str


async def notify(
    urls: Sequence[str], *, title: str, body: str, seconds: float = TIMEOUT_SECONDS
) -> Delivery:
    """Send a plain-text message to every one of `urls`, once, without retries.

    An address that takes longer than `seconds` counts as failed.
    """
    if not urls:
        return Delivery(sent=False, detail="no address to send to")
    from apprise import Apprise, NotifyFormat

    targets = Apprise()
    unread = 0
    for url in urls:
        # Apprise.add() alone accepts some URLs that cannot be used.
        target = Apprise.instantiate(url)
        if target is None or not targets.add(target):
            unread += 1
    result = await targets.async_notify(
        body=body, title=title, body_format=NotifyFormat.TEXT, timeout=seconds
    )
    failed = [each.name for each in result.results if each.status != 0]
    took = len(result.results) - len(failed)
    detail = f"{took} of {len(urls)} addresses took it"
    if failed:
        detail += f"; failed: {', '.join(sorted(set(failed)))}"
    if unread:
        detail += f"; {unread} cannot be read: check NOTIFY_URLS and NOTIFY_CONFIG"
    return Delivery(sent=took > 0, detail=detail)


def urls_for(settings: Settings, owner_slug: str) -> list[str]:
    """The addresses of an owner: all of NOTIFY_URLS, and those of NOTIFY_CONFIG with its tag.

    Raises:
        SettingsError: NOTIFY_CONFIG cannot be read.
    """
    urls = settings.notify_urls.get_secret_value().split()
    if settings.notify_config:
        from apprise import Apprise, AppriseConfig

        config = AppriseConfig(paths=settings.notify_config)
        if not config.services():
            raise SettingsError("NOTIFY_CONFIG: no address could be read from this file")
        tagged = Apprise(services=[config]).find(tag=owner_slug, match_always=False)
        urls += [str(target.url(privacy=False)) for target in tagged]  # type: ignore[no-untyped-call]
    return urls
