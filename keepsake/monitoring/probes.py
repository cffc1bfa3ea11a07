"""Probes: what is measured from outside, in turn, into the table `probes`.

Pages, metrics and alerts read the table and never ask Dagster or a store themselves. That a probe
cannot be carried out is a result too: `keepsake_probe_success` of its name has no value then, and
the reason. What was measured before stays, with its time.
"""

import asyncio
import logging
import math
import shutil
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from keepsake import dagster_api
from keepsake.clients.objects import open_objects
from keepsake.database import AsyncConnection, Pool
from keepsake.errors import KeepsakeError
from keepsake.metrics.counts import Series
from keepsake.metrics.totals import SEPARATOR
from keepsake.owners.model_lifetimes import ends_of_models
from keepsake.settings import Settings

SUCCESS = "keepsake_probe_success"
HEARTBEAT, LOCATION, TICK = (
    "keepsake_daemon_heartbeat_age_seconds",
    "keepsake_code_location_up",
    "keepsake_sensor_tick_age_seconds",
)
OBJECTS, QUOTA = "keepsake_object_store_bytes", "keepsake_object_store_quota_bytes"
DISK = "keepsake_disk_used_ratio"
BACKUP = "keepsake_backup_timestamp_seconds"
CERTIFICATE = "keepsake_certificate_expiry_timestamp_seconds"
MODEL_END = "keepsake_model_end_timestamp_seconds"

NO_BACKUP = "there is no backup yet"

_DAGSTER_TIMEOUT = 5.0
_CERTIFICATE_TIMEOUT = 10.0
_PAUSE_FACTOR = 20  # times as long as a probe took it rests, at least
_GRACE = timedelta(seconds=60)  # after its time, for which what was measured holds

Measured = Mapping[Series, float]

log = logging.getLogger(__name__)


class ProbeFailed(KeepsakeError):
    """What a probe measures cannot be measured. The message says why, without names of people."""


@dataclass(frozen=True)
class Probe:
    """Something to measure.

    Attributes:
        name: as the label of `keepsake_probe_success` has it.
        every: how often; less often if it takes long.
        metrics: names of all that it may give.
        measure: gives them.
    """

    name: str
    every: timedelta
    metrics: tuple[str, ...]
    measure: Callable[[Settings], Awaitable[Measured]]


async def is_due(connection: AsyncConnection, probe: Probe) -> bool:
    """Whether its time has come by the database's clock, or that clock went back since."""
    cursor = await connection.execute(
        "SELECT FROM probes WHERE metric = %s AND labels = %s AND next_at > now()"
        " AND measured_at < now() + interval '1 second'",
        (SUCCESS, probe.name),
    )
    return await cursor.fetchone() is None


async def carry_out(pool: Pool, probe: Probe, settings: Settings) -> None:
    """Measure, and store what came of it. No connection is taken while it measures."""
    started = time.monotonic()
    measured: Measured = {}
    reason = None
    try:
        measured = await probe.measure(settings)
    except KeepsakeError as error:
        reason = str(error)
    except Exception as error:  # whatever it is, the others go on
        reason = f"unforeseen: {type(error).__name__}"
        log.warning("the probe %s failed: %s", probe.name, type(error).__name__)
    took = timedelta(seconds=time.monotonic() - started)
    pause = max(probe.every, _PAUSE_FACTOR * took)
    async with pool.connection() as connection:
        await _store(connection, probe, measured, reason, pause)


async def _store(
    connection: AsyncConnection,
    probe: Probe,
    measured: Measured,
    reason: str | None,
    pause: timedelta,
) -> None:
    async with connection.transaction():
        if reason is None:
            await connection.execute(
                "DELETE FROM probes WHERE metric = ANY(%s)", (list(probe.metrics),)
            )
            async with connection.cursor() as cursor:
                await cursor.executemany(
                    "INSERT INTO probes (metric, labels, value) VALUES (%s, %s, %s)",
                    [
                        (series.metric, SEPARATOR.join(series.labels), value)
                        for series, value in measured.items()
                    ],
                )
        await connection.execute(
            """
            INSERT INTO probes (metric, labels, value, error, measured_at, next_at, valid_until)
            VALUES (%(success)s, %(name)s, %(value)s, %(error)s, now(), now() + %(pause)s,
                    now() + %(pause)s + %(grace)s)
            ON CONFLICT (metric, labels) DO UPDATE
            SET (value, error, measured_at, next_at, valid_until) =
                (excluded.value, excluded.error, excluded.measured_at, excluded.next_at,
                 excluded.valid_until)
            """,
            {
                "success": SUCCESS,
                "name": probe.name,
                "value": 1.0 if reason is None else None,
                "error": reason,
                "pause": pause,
                "grace": _GRACE,
            },
        )


# -- what is measured -----------------------------------------------------------------------------


async def _dagster(settings: Settings) -> Measured:
    """Ages of what Dagster's daemons, code locations and sensors last gave of themselves."""
    health = await asyncio.to_thread(
        dagster_api.health, settings.dagster_url, timeout=_DAGSTER_TIMEOUT
    )
    now = time.time()
    measured = {
        Series(LOCATION, (name,)): 1.0 if reason is None else 0.0
        for name, reason in health.locations.items()
    }
    for name, at in health.heartbeats.items():
        measured[Series(HEARTBEAT, (name,))] = math.inf if at is None else max(now - at, 0.0)
    for name, at in health.ticks.items():
        if at is not None:  # whether anything ticks at all the daemon's heartbeat says
            measured[Series(TICK, (name,))] = max(now - at, 0.0)
    return measured


async def _objects(settings: Settings) -> Measured:
    measured = {Series(OBJECTS, ()): float(await open_objects(settings).used_bytes())}
    if settings.objects_quota:
        measured[Series(QUOTA, ())] = float(settings.objects_quota)
    return measured


async def _disk(settings: Settings) -> Measured:
    """Of the data folder; nothing where there is none, since all is kept elsewhere."""
    try:
        usage = await asyncio.to_thread(shutil.disk_usage, settings.home)
    except FileNotFoundError:
        return {}
    # What is kept for the system counts as used, as `df` has it.
    return {Series(DISK, ()): 1 - usage.free / (usage.free + usage.used)}


async def _backup(settings: Settings) -> Measured:
    made = await asyncio.to_thread(_newest_backup, settings.backup_folder)
    if made is not None:
        return {Series(BACKUP, ()): made.timestamp()}
    if settings.backup_dir:
        raise ProbeFailed(NO_BACKUP)
    return {}


def _newest_backup(folder: Path) -> datetime | None:
    """When the newest one was made; its folder's name begins with that.

    Raises:
        ProbeFailed: the folder cannot be read.
    """
    try:
        made = [_made_at(path.parent.name) for path in folder.glob("*/manifest.json")]
    except OSError as error:
        raise ProbeFailed(f"BACKUP_DIR cannot be read ({error.strerror})") from None
    return max(filter(None, made), default=None)


def _made_at(name: str) -> datetime | None:
    try:
        return datetime.strptime(name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


async def _certificate(settings: Settings) -> Measured:
    address = urlsplit(settings.public_url)
    if address.scheme != "https" or not address.hostname:
        return {}
    expires = await asyncio.to_thread(_expiry, address.hostname, address.port or 443)
    return {Series(CERTIFICATE, ()): expires}


def _expiry(host: str, port: int) -> float:
    """When the certificate there expires, as Unix time.

    Raises:
        ProbeFailed: there is none that browsers would take.
    """
    try:
        with (
            socket.create_connection((host, port), timeout=_CERTIFICATE_TIMEOUT) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured,
        ):
            found = secured.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        raise ProbeFailed(
            f"the certificate of PUBLIC_URL is refused ({error.verify_message})"
        ) from None
    except OSError as error:
        raise ProbeFailed(f"PUBLIC_URL does not answer ({type(error).__name__})") from None
    return float(ssl.cert_time_to_seconds(str(found["notAfter"])))


async def _models(settings: Settings) -> Measured:
    return {
        Series(MODEL_END, (model,)): end.timestamp()
        for model, end in ends_of_models(settings).items()
    }


_OFTEN, _SELDOM = timedelta(seconds=10), timedelta(minutes=10)

PROBES: Mapping[str, Probe] = {
    probe.name: probe
    for probe in (
        Probe("dagster", _OFTEN, (HEARTBEAT, LOCATION, TICK), _dagster),
        Probe("disk", timedelta(minutes=1), (DISK,), _disk),
        Probe("objects", timedelta(minutes=1), (OBJECTS, QUOTA), _objects),
        Probe("models", _SELDOM, (MODEL_END,), _models),
        Probe("newest_backup", timedelta(minutes=1), (BACKUP,), _backup),
        Probe("certificate", _SELDOM, (CERTIFICATE,), _certificate),
    )
}
