"""Dagster's GraphQL API, through its webserver. Nothing of Dagster is imported.

What is asked of it, and what follows from the answers, is not here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from keepsake.errors import KeepsakeError

TIMEOUT_SECONDS = 30.0
# All others are taken for under way, also those that a later Dagster has.
FINISHED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
MOST = 500  # runs of an answer
HOW = Literal["SAFE_TERMINATE", "MARK_AS_CANCELED_IMMEDIATELY"]

_RUNS = "{ __typename ... on Runs { results { runId status tags { key value } } } }"
_FIND = (
    "query ($filter: RunsFilter!, $cursor: String, $limit: Int) "
    "{ runsOrError(filter: $filter, cursor: $cursor, limit: $limit) " + _RUNS + " }"
)
_TERMINATE = """
mutation ($runs: [String!]!, $policy: TerminateRunPolicy!) {
  terminateRuns(runIds: $runs, terminatePolicy: $policy) { __typename } }
"""


# Without `statuses` Dagster reads ticks in another way, and at times gives none.
_HEALTH = """{
  instance { daemonHealth { allDaemonStatuses { daemonType required lastHeartbeatTime } } }
  workspaceOrError { __typename ... on Workspace { locationEntries { name locationOrLoadError {
    __typename
    ... on PythonError { className }
    ... on RepositoryLocation { repositories { sensors {
      name sensorState { status ticks(limit: 1, statuses: [SUCCESS, SKIPPED]) { endTimestamp }
    } } } } } } } } }
"""


class DagsterAway(KeepsakeError):
    """Dagster's webserver does not answer, or not what was asked."""


@dataclass(frozen=True)
class Run:
    """A run of Dagster."""

    id: str
    status: str
    tags: Mapping[str, str]

    @property
    def is_finished(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.status in FINISHED


@dataclass(frozen=True)
class Health:
    """How Dagster's parts do.

    Attributes:
        heartbeats: when each daemon that there has to be gave its last sign of life, as Unix time;
            None: it never did.
        locations: each code location, and what is wrong with it; None: it is loaded.
        ticks: when each sensor that is switched on last ended a tick well, as Unix time; None: it
            never did. Those of a location that is not loaded are not known.
    """

    heartbeats: Mapping[str, float | None]
    locations: Mapping[str, str | None]
    ticks: Mapping[str, float | None]


def ask(
    dagster_url: str, query: str, *, timeout: float = TIMEOUT_SECONDS, **variables: Any
) -> dict[str, Any]:
    """The data of the answer.

    Args:
        dagster_url: of the webserver.
        query: in GraphQL.
        timeout: seconds that each part of the exchange may take.
        variables: of the query.

    Raises:
        DagsterAway: there is none.
    """
    try:
        answer = httpx.post(
            f"{dagster_url}/graphql",
            json={"query": query, "variables": variables},
            timeout=timeout,
        )
        data: dict[str, Any] | None = answer.raise_for_status().json()["data"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError) as error:
        raise DagsterAway(f"Dagster does not answer ({type(error).__name__})") from None
    if data is None:
        raise DagsterAway("Dagster does not answer what was asked")
    return data


def find_runs(
    dagster_url: str,
    *,
    tags: Mapping[str, str] | None = None,
    statuses: Sequence[str] = (),
    run_ids: Sequence[str] = (),
    updated_after: float | None = None,
) -> list[Run]:
    """The runs to which all of that applies, the newest first.

    Args:
        dagster_url: of the webserver.
        tags: which they have.
        statuses: of which they have one.
        run_ids: of which they are.
        updated_after: a Unix time.

    Raises:
        DagsterAway: it does not answer.
    """
    wanted = {
        "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
        "statuses": list(statuses),
        "runIds": list(run_ids),
        "updatedAfter": updated_after,
    }
    wanted = {name: value for name, value in wanted.items() if value}
    found: list[Run] = []
    while True:
        cursor = found[-1].id if found else None
        answer = ask(dagster_url, _FIND, filter=wanted, cursor=cursor, limit=MOST)["runsOrError"]
        if "results" not in answer:
            raise DagsterAway(f"Dagster does not list its runs ({answer['__typename']})")
        page = [
            Run(run["runId"], run["status"], {tag["key"]: tag["value"] for tag in run["tags"]})
            for run in answer["results"]
        ]
        found += page
        if len(page) < MOST:
            return found


def health(dagster_url: str, *, timeout: float = TIMEOUT_SECONDS) -> Health:
    """How Dagster's parts do, as far as its webserver knows.

    A daemon's own `healthy` stays true for half an hour after its death, so times are given. That a
    code location is dead the webserver finds out when it asks for something of it.

    Raises:
        DagsterAway: it does not answer.
    """
    answer = ask(dagster_url, _HEALTH, timeout=timeout)
    daemons = answer["instance"]["daemonHealth"]["allDaemonStatuses"]
    entries = answer["workspaceOrError"].get("locationEntries")
    if entries is None:
        raise DagsterAway("Dagster does not say which code it has loaded")
    sensors = [
        sensor
        for entry in entries
        for repository in (entry["locationOrLoadError"] or {}).get("repositories", ())
        for sensor in repository["sensors"]
        if sensor["sensorState"]["status"] == "RUNNING"
    ]
    return Health(
        {each["daemonType"]: each["lastHeartbeatTime"] for each in daemons if each["required"]},
        {entry["name"]: _what_is_wrong(entry["locationOrLoadError"]) for entry in entries},
        {sensor["name"]: _last_tick(sensor["sensorState"]["ticks"]) for sensor in sensors},
    )


def _what_is_wrong(location: Mapping[str, Any] | None) -> str | None:
    if location is None:
        return "still loading"
    if location["__typename"] == "RepositoryLocation":
        return None
    return str(location.get("className") or location["__typename"])


def _last_tick(ticks: Sequence[Mapping[str, float | None]]) -> float | None:
    ended = [tick["endTimestamp"] for tick in ticks]
    return max((at for at in ended if at is not None), default=None)


def terminate(dagster_url: str, run_ids: Sequence[str], how: HOW) -> None:
    """Have runs end. Those that have ended already are left alone.

    Args:
        dagster_url: of the webserver.
        run_ids: of the runs.
        how: asked to put back what is unfinished; or marked as cancelled, whatever they do.

    Raises:
        DagsterAway: it does not answer.
    """
    if run_ids:
        ask(dagster_url, _TERMINATE, runs=list(run_ids), policy=how)
