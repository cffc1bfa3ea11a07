"""How soon work begins and ends with everything real around it: daemon, sensor, queue, run worker.

Only the models are simulated, so that what is left is what Keepsake and Dagster take.
"""

import random
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from benchmarks.endpoints import LATENCY
from benchmarks.results import Figure
from benchmarks.site import AT_ONCE, LATER, Site, add_responses, make_family, open_site
from keepsake.database import Connection, connect
from keepsake.family.response import Family
from keepsake.local.ports import free_port
from keepsake.local.up import started

ONE_BY_ONE = 8
WAIT_SECONDS = 120.0  # seconds
IDLE = 4.0  # seconds at least between the end of one response and the next


def run() -> list[Figure]:
    """One new response on an idle system, again and again; then fifty at once."""
    with (
        open_site() as site,
        started(site.settings, prepare=lambda url: None, dagster_port=free_port()),
    ):
        to = make_family(site)
        with connect(site.database_url) as connection:
            _one(site, connection, to)  # the first run writes Python's bytecode
            starts, ends = zip(
                *(_one(site, connection, to) for _ in range(ONE_BY_ONE)), strict=True
            )
            seconds, floor = _fifty(site, connection, to)
    return [
        Figure(
            "one response: until its first step starts",
            statistics.median(starts),
            "s",
            at_most=3,
            note=f"median of {ONE_BY_ONE}, {min(starts):.1f} to {max(starts):.1f} s",
        ),
        Figure(
            "one response: until its last step ends",
            statistics.median(ends),
            "s",
            floor=LATENCY["chat"],
            note=f"median of {ONE_BY_ONE}, {min(ends):.1f} to {max(ends):.1f} s",
        ),
        Figure("50 at once: all done", seconds, "s", at_most=floor + 5, floor=floor),
    ]


def _one(site: Site, connection: Connection, to: Family) -> tuple[float, float]:
    """Seconds from the insert of one response to the start of its work, and to its end."""
    # At any moment between two looks of the sensor.
    time.sleep(IDLE + random.uniform(0, 5))
    ids = add_responses(site, to, [datetime.now(UTC)])
    return _wait(connection, ids)


def _fifty(site: Site, connection: Connection, to: Family) -> tuple[float, float]:
    """Seconds from the insert of fifty responses to the end of the last, and the floor of that."""
    time.sleep(IDLE)
    site.forget_calls()
    now = datetime.now(UTC)
    # Of one day, whatever the time of it.
    moments = [now - timedelta(microseconds=number) for number in range(50)]
    _, end = _wait(connection, add_responses(site, to, moments))
    return end, site.model_calls()["chat"]["calls"] * LATENCY["chat"] / AT_ONCE


def _wait(connection: Connection, ids: Sequence[int]) -> tuple[float, float]:
    """Wait until every step of these records is done.

    Returns:
        Seconds from the arrival of the last one to the start of the first step, and to the end of
        the last.

    Raises:
        RuntimeError: a step failed, or they were not done in time.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        row = connection.execute(
            """
            SELECT count(*) FILTER (WHERE status = 'failed'),
                   count(*) FILTER (WHERE status <> 'succeeded'),
                   extract(epoch FROM min(started_at) - max(received_at)),
                   extract(epoch FROM max(finished_at) - max(received_at))
            FROM ledger JOIN records ON records.id = record_id
            WHERE record_id = ANY(%s) AND step <> %s
            """,
            (list(ids), LATER),
        ).fetchone()
        assert row is not None
        failed, open_steps, start, end = row
        if failed:
            raise RuntimeError(f"{failed} steps failed")
        if not open_steps:
            return float(start), float(end)
        time.sleep(0.1)
    raise RuntimeError(f"not done after {WAIT_SECONDS:.0f} s: is the machine very busy?")
