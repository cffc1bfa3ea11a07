"""Parts of a real Keepsake stop: operators are told once, within 90 seconds, and of the end.

`make chaos` runs it. It takes about seven minutes, most of which it waits.
"""

import signal
import time
from collections.abc import Iterator
from datetime import timedelta

import psutil
import pytest

from keepsake.database import Connection, connect
from keepsake.local.ports import free_port
from keepsake.local.up import Addresses, started
from keepsake.monitoring.watch import SETTLE_SECONDS
from keepsake.prepare import prepare
from keepsake.settings import Settings
from tests import session
from tests.acceptance.parts import eventually, state
from tests.doubles.server import serving
from tests.doubles.webhook import Webhook

WITHIN = 90.0
# No models are asked for anything here.
ELSEWHERE = {
    f"{role}_{name}": value
    for role in ("chat", "embeddings", "transcription", "speech")
    for name, value in {"base_url": "http://127.0.0.1:9/v1", "model": "none"}.items()
}


@pytest.fixture(scope="module")
def operator() -> Iterator[tuple[Webhook, str]]:
    """Who gets the alerts, and the address."""
    with serving(double := Webhook()) as url:
        yield double, url.replace("http://", "json://")


@pytest.fixture(scope="module")
def settings(operator: tuple[Webhook, str]) -> Iterator[Settings]:
    with session.data_folder() as home:
        ports = {"dagster_port": free_port(), "api_port": free_port()}
        yield Settings.model_validate(
            {"keepsake_home": home, "alert_urls": operator[1], **ports, **ELSEWHERE}
        )


@pytest.fixture(scope="module")
def up(settings: Settings) -> Iterator[Addresses]:
    """Everything, once the monitor has seen all parts well."""

    def bring_up_to_date(url: str) -> None:
        prepare(url, settings)

    with started(settings, prepare=bring_up_to_date) as addresses:
        with connect(addresses.database_url) as db:
            eventually(lambda: well(db), timeout=280)
        yield addresses


@pytest.fixture
def db(up: Addresses) -> Iterator[Connection]:
    with connect(up.database_url) as connection:
        yield connection


def well(db: Connection) -> bool:
    """Whether all is there, and the monitor would miss what is not."""
    settled = timedelta(seconds=SETTLE_SECONDS + 10)
    row = db.execute(
        "SELECT value = 1 AND now() - (SELECT min(at) FROM metric_snapshots) > %s"
        " AND NOT EXISTS (SELECT FROM alerts WHERE state <> 'resolved')"
        " FROM probes WHERE metric = 'keepsake_probe_success' AND labels = 'dagster'",
        (settled,),
    ).fetchone()
    return row == (True,)


def stopped(settings: Settings, part: str) -> psutil.Process:
    """A part that gives no sign of life. One that is killed `keepsake up` starts again at once."""
    process = psutil.Process(state(settings)["parts"][part])
    process.send_signal(signal.SIGSTOP)
    return process


def kill_the_judge(db: Connection, settings: Settings) -> None:
    """Kill the worker, and wait until the one in its place has judged a part that is down."""
    worker = state(settings)["parts"]["worker"]
    psutil.Process(worker).kill()
    eventually(lambda: state(settings)["parts"]["worker"] != worker)
    ((killed_at,),) = db.execute("SELECT now()").fetchall()
    eventually(
        lambda: (
            db.execute(
                "SELECT measured_at > %s + interval '15 s' FROM probes"
                " WHERE metric = 'keepsake_probe_success' AND labels = 'dagster'",
                (killed_at,),
            ).fetchone()
            == (True,)
        )
    )


@pytest.mark.timeout(600)  # the first also waits until all is up
@pytest.mark.parametrize("part", ["Dagster daemon", "code server", "Dagster webserver"])
def test_a_part_of_dagster_that_stops_is_told_once(
    db: Connection, settings: Settings, operator: tuple[Webhook, str], part: str
) -> None:
    """Also where the worker, which judges, is killed while it is so."""
    double, _ = operator
    double.seen.clear()
    since = time.monotonic()
    process = stopped(settings, part)
    try:
        eventually(lambda: double.messages, timeout=WITHIN)
        took = time.monotonic() - since
        if part == "Dagster webserver":  # the one that is noticed soonest
            kill_the_judge(db, settings)
    finally:
        process.send_signal(signal.SIGCONT)
    eventually(lambda: len(double.messages) > 1)
    assert took < WITHIN
    assert [message.splitlines()[0] for message in double.messages] == [
        "Keepsake: Dagster is down (critical)",
        "Resolved: Dagster is down",
    ]
