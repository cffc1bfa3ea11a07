"""What the schedules share that send each family something in its own morning."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

import dagster as dg

from keepsake.clients.notifications import Delivery
from keepsake.database import Connection
from keepsake.settings import Settings, load_settings
from resources.database import DatabaseResource


class Waits(Protocol):
    """A family to which something was not sent yet."""

    @property
    def family_id(self) -> int:
        """Which family."""


W = TypeVar("W", bound=Waits)
FamiliesWaiting = Callable[[Connection, int], Sequence[W]]


def deliver_to_all(
    context: dg.OpExecutionContext,
    database: DatabaseResource,
    families_waiting: FamiliesWaiting[W],
    deliver: Callable[[Connection, Settings, W], Coroutine[Any, Any, Delivery | None]],
) -> None:
    """Deliver to every family that is waiting; one that fails does not hold back the others.

    Raises:
        Failure: saying how many could not be reached.
    """
    settings = load_settings()
    failed = 0
    with database.connect() as connection:
        for waiting in families_waiting(connection, settings.quote_hour):
            delivery = asyncio.run(deliver(connection, settings, waiting))
            if delivery is not None:
                failed += not delivery.sent
                context.log.info(f"family {waiting.family_id}: {delivery.detail}")
    if failed:
        raise dg.Failure(
            f"{failed} families could not be reached; see `deliveries`. They are tried again in a "
            "quarter of an hour, three times in all.",
            allow_retries=False,
        )


def run_if_waiting(
    database: DatabaseResource, families_waiting: FamiliesWaiting[W], *, what: str
) -> dg.RunRequest | dg.SkipReason:
    """A run, if any family is waiting for `what` and the settings say where to send it."""
    settings = load_settings()
    if not (settings.notify_urls.get_secret_value() or settings.notify_config):
        return dg.SkipReason(f"neither NOTIFY_URLS nor NOTIFY_CONFIG says where to send {what}")
    with database.connect() as connection:
        waiting = families_waiting(connection, settings.quote_hour)
    return dg.RunRequest() if waiting else dg.SkipReason(f"no family is waiting for {what}")
