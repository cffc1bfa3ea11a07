"""The four kinds of tests, by what a test uses.

- `unit`: no database, no models, no other process. A double over loopback is fine.
- `acceptance`: the whole system (everything in `tests/acceptance`), or the embedded chat model or
  Whisper at work. A test that asks these by itself, not by the fixture `told`, is marked by hand.
- `chaos`: the whole system while its parts are killed (everything in `tests/chaos`).
- `integration`: the rest, on a real PostgreSQL and with real processes.
"""

from collections.abc import Sequence

import pytest

KINDS = ("chaos", "acceptance", "integration", "unit")  # the longest first

SERVERS = {"postgres_url", "models_url", "home", "own_processes"}
STARTERS = {"subprocess", "open_worker_pool", "WorkerPool"}  # names of modules that start processes


def mark(items: Sequence[pytest.Item]) -> None:
    """Mark each test with its kind."""
    for item in items:
        if not any(item.get_closest_marker(kind) for kind in KINDS):
            item.add_marker(_kind(item))


def _kind(item: pytest.Item) -> str:
    fixtures = set(getattr(item, "fixturenames", ()))
    if "chaos" in item.path.parts:
        return "chaos"
    if "acceptance" in item.path.parts or "told" in fixtures:
        return "acceptance"
    names = vars(getattr(item, "module", None) or object)
    return "integration" if fixtures & SERVERS or STARTERS & names.keys() else "unit"


def longest_first(items: list[pytest.Item]) -> None:
    """Put files with long tests first, so that the two processes end at about the same time."""
    rank: dict[object, int] = {}
    for item in items:
        kinds = [kind for kind in KINDS if item.get_closest_marker(kind)]
        at = -1 if "acceptance" in item.path.parts else KINDS.index(kinds[0])
        rank[item.path] = min(at, rank.get(item.path, at))
    items.sort(key=lambda item: rank[item.path])
