"""Delivery of a message by e-mail, Slack, SMS and whatever else apprise reaches.

An apprise URL holds a password or a token, so none ever appears in what this module returns or
raises. What is sent, and when, is not decided here.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from keepsake.errors import SettingsError
from keepsake.settings import DeliverySettings
from keepsake.text.counted import counted

# What it logs below this level quotes messages and addresses.
logging.getLogger("apprise").setLevel(logging.WARNING)

SEND_SECONDS = 30.0  # that all addresses of a message may take

Outcome = Literal["sent", "failed", "unknown"]


@dataclass(frozen=True)
class Delivery:
    """How a message fared.

    Attributes:
        status: "sent": at least one address took it. "failed": none did, so that it can be sent
            again. "unknown": none answered that it did, and one may have taken it all the same.
        detail: how many took it, and which services did not. Holds no address and no content.
        final: it failed in a way in which it would fail again.
    """

    status: Outcome
    detail: str
    final: bool = False


async def notify(
    urls: Sequence[str], *, title: str, body: str, seconds: float = SEND_SECONDS
) -> Delivery:
    """Send a plain-text message to every one of `urls`, once, without retries.

    An address that has not answered after `seconds` may have taken the message.
    """
    from apprise import Apprise, AppriseResultStatus, NotifyFormat

    targets = Apprise()
    unread = 0
    for url in urls:
        # Apprise.add() alone accepts some URLs that cannot be used.
        target = Apprise.instantiate(url)
        if target is None or not targets.add(target):
            unread += 1
        else:
            # A service that gives up on an answer reports a failure, although the message may have
            # arrived: so that the time limit here comes first, which is reported as such.
            target.socket_read_timeout = max(target.socket_read_timeout, seconds + 5)
    result = await targets.async_notify(
        body=body, title=title, body_format=NotifyFormat.TEXT, timeout=seconds
    )
    late = [r.name for r in result.results if r.status == AppriseResultStatus.TIMEOUT]
    failed = [r.name for r in result.results if r.status == AppriseResultStatus.FAILURE]
    took = len(result.results) - len(late) - len(failed)
    detail = f"{took} of {counted(len(urls), 'address', 'addresses')} took it"
    if failed:
        detail += f"; failed: {', '.join(sorted(set(failed)))}"
    if late:
        detail += f"; no answer within {seconds:g} s: {', '.join(sorted(set(late)))}"
    if unread:
        detail += f"; {unread} cannot be read: see `keepsake doctor`"
    return Delivery("sent" if took else "unknown" if late else "failed", detail)


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
    # Apprise reports what it leaves out in its log only, and quotes it there.
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


@dataclass(frozen=True)
class Addresses:
    """Where messages go, as apprise URLs.

    Attributes:
        common: those of NOTIFY_URLS, which get the messages of every owner.
        tagged: those of NOTIFY_CONFIG, by tag: the short name of an owner.
    """

    common: Sequence[str]
    tagged: Mapping[str, Sequence[str]]

    def of(self, owner_slug: str) -> list[str]:
        """The addresses of an owner."""
        return [*self.common, *self.tagged.get(owner_slug, ())]


def read_addresses(settings: DeliverySettings) -> Addresses:
    """The addresses that the settings name. Reads the file of NOTIFY_CONFIG.

    Raises:
        SettingsError: NOTIFY_CONFIG cannot be read.
    """
    urls = settings.notify_urls.get_secret_value().split()
    if not settings.notify_config:
        return Addresses(urls, {})
    from apprise import Apprise, AppriseConfig

    config = AppriseConfig(paths=settings.notify_config)
    if not config.services():
        raise SettingsError("NOTIFY_CONFIG: no address could be read from this file")
    tagged: dict[str, list[str]] = {}
    # Not `find(tag=slug)`: it looks through the whole file, and for `all` it finds all of it.
    for target in Apprise(services=[config]).find():
        url = str(target.url(privacy=False))  # type: ignore[no-untyped-call]
        for tag in target.tags:
            tagged.setdefault(str(tag), []).append(url)
    return Addresses(urls, tagged)
