"""What the tests of the whole system look at."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from keepsake.local.up import Addresses
from keepsake.settings import Settings


def eventually(what: Callable[[], Any], timeout: float = 150) -> Any:
    """What comes about, as soon as it does."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if found := what():
                return found
        except (httpx.HTTPError, psycopg.OperationalError, OSError, KeyError, ValueError):
            pass
        time.sleep(0.1)
    return pytest.fail("did not come about in time")


def state(settings: Settings) -> dict[str, Any]:
    """What `keepsake up` says of itself to other processes."""
    state: dict[str, Any] = json.loads(settings.state_file.read_text())
    return state


def answers(database_url: str) -> bool:
    """Whether the database does."""
    with psycopg.connect(database_url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def locations(addresses: Addresses) -> list[str]:
    """The code locations that are loaded."""
    query = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"
    answer = httpx.post(f"{addresses.dagster_url}/graphql", json={"query": query}, timeout=30)
    entries = answer.json()["data"]["workspaceOrError"]["locationEntries"]
    return [entry["name"] for entry in entries if entry["loadStatus"] == "LOADED"]
