"""What the demo asks of Dagster itself, through the GraphQL API that its UI uses."""

import time
from contextlib import suppress
from typing import Any

import httpx

from keepsake.errors import KeepsakeError
from keepsake.local.up import Addresses

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 60.0  # with one call, and with one run
LAST_RUNS_SECONDS = 30.0  # that runs get to report to Dagster what they made

RUNS_UNDER_WAY = """
{ runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]}) {
    ... on Runs { results { runId } } } }
"""
REPOSITORIES = """
{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }
"""
LAUNCH = """
mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
STATUS = """
query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }
"""


class NotMade(KeepsakeError):
    """Dagster did not make what it was asked for. The message says where to look."""


def wait_for_runs(addresses: Addresses) -> None:
    """Let the runs end that still report to Dagster; their results are stored."""
    deadline = time.monotonic() + LAST_RUNS_SECONDS
    with suppress(httpx.HTTPError):  # then Dagster is gone already
        while _query(addresses, RUNS_UNDER_WAY)["runsOrError"].get("results"):
            if time.monotonic() > deadline:
                return
            time.sleep(POLL_SECONDS)


def materialize(addresses: Addresses, asset: str, partition: str) -> None:
    """Make one partition of an asset, as the button in the UI does, and wait for it.

    Raises:
        NotMade: Dagster refused, or the run failed or did not end within a minute.
    """
    (repository,) = _query(addresses, REPOSITORIES)["repositoriesOrError"]["nodes"]
    launched = _query(
        addresses,
        LAUNCH,
        params={
            "selector": {
                "repositoryLocationName": repository["location"]["name"],
                "repositoryName": repository["name"],
                "pipelineName": "__ASSET_JOB",
                "assetSelection": [{"path": [asset]}],
            },
            "mode": "default",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": partition}]},
        },
    )["launchRun"]
    if "run" not in launched:
        raise NotMade(f"Dagster refused to make {asset}: {launched}")
    deadline = time.monotonic() + PATIENCE_SECONDS
    run_id = launched["run"]["runId"]
    while (status := _query(addresses, STATUS, id=run_id)["runOrError"]["status"]) != "SUCCESS":
        if status in ("FAILURE", "CANCELED") or time.monotonic() > deadline:
            raise NotMade(f"{asset} was not made: see {addresses.dagster_pages}/runs/{run_id}")
        time.sleep(POLL_SECONDS)


def _query(addresses: Addresses, query: str, **variables: Any) -> dict[str, Any]:
    answer = httpx.post(
        f"{addresses.dagster_url}/graphql",
        json={"query": query, "variables": variables},
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    )
    data: dict[str, Any] = answer.raise_for_status().json()["data"]
    return data
