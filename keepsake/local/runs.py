"""What the supervisor asks of Dagster, through the webserver's GraphQL API."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from keepsake.text.counted import counted

_UNDER_WAY = """
{ runsOrError(filter: {statuses: [STARTING, STARTED, CANCELING]}) {
    ... on Runs { results { runId } } } }
"""
_TERMINATE = """
mutation ($runs: [String!]!, $policy: TerminateRunPolicy!) {
  terminateRuns(runIds: $runs, terminatePolicy: $policy) { __typename } }
"""
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
        _terminate(dagster_url, "SAFE_TERMINATE")
        while _under_way(dagster_url) and time.monotonic() < deadline:
            time.sleep(_POLL)
    except httpx.HTTPError:
        return


def give_up(dagster_url: str) -> None:
    """Mark the runs under way as cancelled: their processes are gone."""
    _terminate(dagster_url, "MARK_AS_CANCELED_IMMEDIATELY")


def any_under_way(dagster_url: str) -> bool:
    """Whether a run is starting, working or being cancelled. Who cannot be asked may have some."""
    try:
        return bool(_under_way(dagster_url))
    except httpx.HTTPError:
        return True


def sensors_are_evaluated(dagster_url: str, *, since: float) -> bool:
    """Whether the daemon that evaluates sensors has shown a sign of life since then (Unix time)."""
    try:
        health = _ask(dagster_url, _SENSOR_DAEMON)["instance"]["daemonHealth"]
    except httpx.HTTPError:
        return False
    return bool((health["daemonStatus"]["lastHeartbeatTime"] or 0) > since)


def _terminate(dagster_url: str, policy: str) -> None:
    if under_way := _under_way(dagster_url):
        _ask(dagster_url, _TERMINATE, runs=under_way, policy=policy)


def _under_way(dagster_url: str) -> list[str]:
    runs = _ask(dagster_url, _UNDER_WAY)["runsOrError"].get("results", [])
    return [run["runId"] for run in runs]


def _ask(dagster_url: str, query: str, **variables: Any) -> dict[str, Any]:
    answer = httpx.post(
        f"{dagster_url}/graphql", json={"query": query, "variables": variables}, timeout=30
    )
    data: dict[str, Any] = answer.raise_for_status().json()["data"]
    return data
