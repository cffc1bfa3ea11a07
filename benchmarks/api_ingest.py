"""Small JSON taken in over HTTP by one process, with PostgreSQL and the client beside it.

The floor is the same rows written by one process over as many connections as the API has, each
record with one statement: nobody asked who sends it, nothing checked, nothing answered.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvloop

from benchmarks.results import Figure
from benchmarks.site import ROOT, Site, make_family, open_site, wait_for
from keepsake.accounts.tokens import create_token
from keepsake.database import connect, open_pool
from keepsake.http.state import POOL_SIZE
from keepsake.local.ports import free_port

WARM_UP, MANY = 500, 10_000


def run() -> list[Figure]:
    """10,000 written responses, as many bookmarks, and the same rows without a server."""
    with open_site(rate_limit=0) as site:
        family = make_family(site)
        with connect(site.database_url) as connection:
            token, _ = create_token(connection, "bench", owner_id=family.id, scopes=["ingest"])
        floor = _bare(site, family.id)
        with serving_api(site) as (url, _):
            return [
                figure
                for path in ("/api/responses", "/api/bookmarks")
                for figure in _figures(path, _load(site, url, path, token), floor)
            ]


def _load(site: Site, url: str, path: str, token: str) -> dict[str, Any]:
    site.run("benchmarks.load", url, path, token, "0", str(WARM_UP))
    found: dict[str, Any] = site.run("benchmarks.load", url, path, token, str(WARM_UP), str(MANY))
    return found


def _figures(path: str, found: dict[str, Any], floor: float) -> list[Figure]:
    said = ", ".join(f"{name} {found[name]:.1f} ms" for name in ("p50", "p95", "p99"))
    return [
        Figure(
            f"POST {path}: a record",
            1000 / found["a_second"],
            "ms",
            at_most=1.0,
            floor=floor,
            note=f"{found['a_second']:,.0f} a second; {said}",
        ),
        Figure(f"POST {path}: errors", found["errors"], "answers", at_most=0),
    ]


@contextmanager
def serving_api(site: Site) -> Iterator[tuple[str, int]]:
    """The API of a site in a process of its own; gives its address and the process's id."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "keepsake.api"],
        env={**site.environment, "API_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        wait_for(f"{url}/health/ready", server)
        yield url, server.pid
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait(20)


_ROWS = """
    WITH added AS (
        INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash, priority)
        VALUES ('family', %(owner)s, %(id)s, now(), %(id)s, 0) RETURNING id
    ), opened AS (
        INSERT INTO ledger (record_id, owner_id, step, line, due_at)
        SELECT id, %(owner)s, name, line, now() FROM added, steps WHERE line = 'family'
    )
    INSERT INTO responses (record_id, owner_id, member_id, text)
    SELECT id, %(owner)s, (SELECT min(id) FROM members WHERE owner_id = %(owner)s), %(id)s
    FROM added
"""


def _bare(site: Site, owner_id: int) -> float:
    """Milliseconds a record."""

    async def write() -> float:
        async with open_pool(site.database_url, size=POOL_SIZE) as pool:
            started = time.perf_counter()
            numbers = iter(range(MANY))

            async def some() -> None:
                async with pool.connection() as connection:
                    for number in numbers:
                        await connection.execute(_ROWS, {"owner": owner_id, "id": f"bare/{number}"})

            await asyncio.gather(*(some() for _ in range(POOL_SIZE)))
            return (time.perf_counter() - started) / MANY * 1000

    return uvloop.run(write())
