"""Delivery of a message by e-mail, Slack, SMS and whatever else apprise reaches.

An apprise URL holds a password or a token, so none ever appears in what this module returns or
raises. What is sent, and when, is not decided here.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keepsake.errors import SettingsError
from keepsake.settings import Settings
from keepsake.text.counted import counted

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
    detail = f"{took} of {counted(len(urls), 'address', 'addresses')} took it"
    if failed:
        detail += f"; failed: {', '.join(sorted(set(failed)))}"
    if unread:
        detail += f"; {unread} cannot be read: check NOTIFY_URLS and NOTIFY_CONFIG"
    return Delivery(sent=took > 0, detail=detail)


def unreadable(urls: Sequence[str]) -> list[int]:
    """Which of `urls`, counted from 1, apprise cannot read. Nothing is sent."""
    from apprise import Apprise

    return [number for number, url in enumerate(urls, 1) if Apprise.instantiate(url) is None]


def read_config(path: str) -> tuple[int, int]:
    """How many addresses of an apprise configuration file can be read, and how many entries not.

    Raises:
        SettingsError: there is no such file, or it cannot be read.
    """
    from apprise import AppriseConfig
    from apprise.logger import logger

    if "://" not in path:
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    complaints = _Counter(logging.WARNING)
    # It tells of what it leaves out in its log only, and quotes it there.
    before, logger.propagate = logger.propagate, False
    logger.addHandler(complaints)
    try:
        return len(AppriseConfig(paths=path).services()), complaints.count
    finally:
        logger.removeHandler(complaints)
        logger.propagate = before


class _Counter(logging.Handler):
    """Counts what is logged, and shows nothing of it."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


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
