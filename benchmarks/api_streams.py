"""200 open streams of progress: how soon each hears of a change, and what they cost in memory.

Ten records are followed by 19 clients each, and their owner by ten, who hear of everything.
"""

import asyncio
import time
from dataclasses import dataclass

import httpx
import numpy as np
import psycopg

from benchmarks.api import Api, own_database, serving
from benchmarks.results import Figure
from keepsake.accounts.tokens import create_token
from keepsake.database import connect
from keepsake.owners.owners import add_owner

RECORDS, FOLLOWERS, OF_OWNER = 10, 19, 10
ROUNDS = 100  # of changes: each record's steps are written in one statement
PAUSE = 0.3  # seconds between two of them


@dataclass
class Clock:
    """When the records were changed last; 0: not yet."""

    changed_at: float = 0


def run() -> list[Figure]:
    """Open the streams, change the records over and over, and listen."""
    with own_database() as database_url:
        with connect(database_url) as db:
            owner = add_owner(db, "Owner")
            db.execute(
                "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
                " SELECT 'bookmarks', %s, n::text, now(), '' FROM generate_series(1, %s) AS n",
                (owner.id, RECORDS),
            )
            db.execute(
                "INSERT INTO ledger (record_id, owner_id, step, line, due_at)"
                " SELECT r.id, owner_id, name, r.line, now()"
                " FROM records r JOIN steps s ON s.line = r.line"
            )
            token, _ = create_token(db, "benchmark", owner_id=owner.id, scopes=["read"])
        with serving(database_url) as api:
            return asyncio.run(_measured(api, database_url, token, owner.slug))


async def _measured(api: Api, database_url: str, token: str, owner: str) -> list[Figure]:
    addresses = [f"/api/records/{1 + n % RECORDS}/events" for n in range(RECORDS * FOLLOWERS)]
    addresses += [f"/api/owners/{owner}/events"] * OF_OWNER
    heard: set[int] = set()
    all_open = asyncio.Event()
    delays: list[float] = []
    clock = Clock()
    async with httpx.AsyncClient(
        base_url=api.url,
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
        limits=httpx.Limits(max_connections=None),
    ) as client:
        before = api.memory

        async def follow(number: int) -> None:
            async with client.stream("GET", addresses[number]) as answer:
                answer.raise_for_status()
                async for line in answer.aiter_lines():
                    if line.startswith("data: "):
                        heard.add(number)
                        if len(heard) == len(addresses):
                            all_open.set()
                        if clock.changed_at:
                            delays.append(1000 * (time.perf_counter() - clock.changed_at))

        streams = [asyncio.create_task(follow(number)) for number in range(len(addresses))]
        await all_open.wait()
        opened = api.memory
        memory = await _change(api, database_url, clock)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    p50, p95 = np.percentile(delays, [50, 95])
    return [
        Figure(
            "200 streams: memory of each",
            (opened - before) / len(addresses) / 1e3,
            "kB",
            note=f"{opened / 1e6:.0f} MB in all",
        ),
        Figure(
            f"200 streams: more memory from round {ROUNDS // 4} to round {ROUNDS}",
            (memory[-1] - memory[len(memory) // 4]) / 1e6,
            "MB",
            at_most=5,
            note=f"{len(delays):,} events",
        ),
        Figure(
            "200 streams: from the change to the event, p95",
            float(p95),
            "ms",
            at_most=1_000,
            note=f"p50 {p50:.0f}, all 200 at once",
        ),
    ]


async def _change(api: Api, database_url: str, clock: Clock) -> list[float]:
    """Change all records over and over, and return the memory of the API after each time."""
    memory = []
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as db:
        for number in range(ROUNDS):
            clock.changed_at = time.perf_counter()
            await db.execute(
                "UPDATE keepsake.ledger SET status = %s, started_at = now()",
                ("running" if number % 2 else "pending",),
            )
            await asyncio.sleep(PAUSE)
            memory.append(api.memory)
    return memory
