"""How people are told of an alert."""

import logging

from keepsake.database import AsyncConnection
from keepsake.monitoring.alerts.states import Alert, Event

log = logging.getLogger(__name__)


async def notify(_: AsyncConnection, alert: Alert, event: Event) -> None:
    """Tell of an alert that fires or has ended, in the transaction in which it does."""
    level = logging.WARNING if event == "firing" else logging.INFO
    log.log(level, "alert %d %s: %s", alert.id, event, alert.rule_name)
