"""Deleting what has been kept long enough, all over the installation.

The schedule `clean_up` does so every night, and a job of that type now. Finished jobs are not here:
workers remove them by the hour.
"""

import asyncio
from dataclasses import dataclass

from keepsake.accounts.retention import (
    delete_old_requests,
    delete_old_sign_ins,
    delete_old_writes,
)
from keepsake.clients.objects import ObjectStore
from keepsake.database import Connection
from keepsake.errors import RetryableError
from keepsake.metrics.retention import thin_out
from keepsake.monitoring.alerts.retention import delete_old_alerts
from keepsake.pipeline.ledger.attempts import delete_old_attempts
from keepsake.records.deletion import sweep
from keepsake.settings import Settings


@dataclass(frozen=True)
class CleanedUp:
    """How much was deleted.

    Attributes:
        attempts: at steps.
        sign_ins: sessions that are over, and requests to sign in.
        writes: entries of the audit log.
        alerts: that have ended.
        requests: what is kept of requests for a day.
        figures: of owners, merged into hours or deleted.
        objects: that nothing names any more.
    """

    attempts: int
    sign_ins: int
    writes: int
    alerts: int
    requests: int
    figures: int
    objects: int


def clean_up(connection: Connection, objects: ObjectStore, settings: Settings) -> CleanedUp:
    """Delete what is old or loose. Objects come last: a store that is away keeps no rows.

    Raises:
        RetryableError: the store does not delete objects.
    """
    attempts = delete_old_attempts(connection, settings.attempts_kept_days)
    sign_ins = delete_old_sign_ins(connection)
    writes = delete_old_writes(connection, settings.audit_kept_days)
    alerts = delete_old_alerts(connection, settings.audit_kept_days)
    requests = delete_old_requests(connection)
    figures = thin_out(connection)
    swept = asyncio.run(sweep(connection, objects))
    if swept.reason:
        raise RetryableError(f"{swept.left} objects could not be deleted: {swept.reason}")
    return CleanedUp(attempts, sign_ins, writes, alerts, requests, figures, swept.deleted)
