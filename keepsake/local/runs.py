"""What the supervisor asks of Dagster, through the webserver's GraphQL API."""

import time
from collections.abc import Callable

from keepsake.dagster_api import DagsterAway, ask, find_runs, terminate
from keepsake.text.counted import counted

_UNDER_WAY = ("STARTING", "STARTED", "CANCELING")
_SENSOR_DAEMON = """
{ instance { daemonHealth { daemonStatus(daemonType: "SENSOR") { lastHeartbeatTime } } } }
"""
_POLL = 0.2  # seconds


def cancel(dagster_url: str, *, timeout: float, say: Callable[[str], None]) -> None:
    """Cancel the runs under way and wait for their end, `timeout` seconds at most.

    A webserver that does not answer is no error: the caller is about to end it all. `say`
    is called with a line for people if there is a run to wait for.
    """
    deadline = time.monotonic() + timeout
    try:
        if under_way := _under_way(dagster_url):
            say(
                f"Waiting for {counted(len(under_way), 'run')} to store what is finished, "
                f"{timeout:.0f} s at most."
            )
        terminate(dagster_url, _under_way(dagster_url), "SAFE_TERMINATE")
        while _under_way(dagster_url) and time.monotonic() < deadline:
            time.sleep(_POLL)
    except DagsterAway:
        return


def give_up(dagster_url: str) -> None:
    """Mark the runs under way as cancelled: their processes are gone."""
    terminate(dagster_url, _under_way(dagster_url), "MARK_AS_CANCELED_IMMEDIATELY")


def any_under_way(dagster_url: str) -> bool:
    """Whether a run is starting, working or being cancelled. Who cannot be asked may have some."""
    try:
        return bool(_under_way(dagster_url))
    except DagsterAway:
        return True


def sensors_are_evaluated(dagster_url: str, *, since: float) -> bool:
    """Whether the daemon that evaluates sensors has shown a sign of life since then (Unix time)."""
    try:
        health = ask(dagster_url, _SENSOR_DAEMON)["instance"]["daemonHealth"]
    except DagsterAway:
        return False
    return bool((health["daemonStatus"]["lastHeartbeatTime"] or 0) > since)


def _under_way(dagster_url: str) -> list[str]:
    return [run.id for run in find_runs(dagster_url, statuses=_UNDER_WAY)]
