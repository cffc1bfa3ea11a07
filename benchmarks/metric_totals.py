"""What counting costs the writer: the same outcomes written with and without, in one run.

Four writers of one line write as fast as they can, each some outcomes of a family's records at a
time, over and over, on a durable database (the disk's time counts). The ways of counting take
turns, so that what else the machine does falls on all of them alike. Steps store no results: what
they add to a transaction would only hide the cost.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median
from unittest.mock import patch

from benchmarks.api import own_database
from benchmarks.results import Figure
from keepsake.database import AsyncConnection, Pool, connect, open_pool
from keepsake.metrics import totals
from keepsake.metrics.counts import counting
from keepsake.owners import usage
from keepsake.owners.usage import metered
from keepsake.pipeline.ledger.rows import Attempt, Carried, Outcome
from keepsake.pipeline.line import Line, Made, Step
from keepsake.pipeline.spec import RunSpec
from keepsake.pipeline.window import Window
from keepsake.pipeline.writer import Writer

WRITERS = 4
OWNERS = 20
RECORDS = 4_000
AT_ONCE = 200  # outcomes of a write
STEPS = ("transcripts", "embeddings", "tags", "wisdom", "stories")
ROUNDS, SECONDS = 5, 3.0
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
WINDOW = Window("family", NOON - timedelta(days=1), NOON + timedelta(days=1))


def run() -> list[Figure]:
    """Measure on a database of its own."""
    with own_database() as url:
        _fill(url)
        return asyncio.run(_measured(url))


def _fill(url: str) -> None:
    with connect(url) as connection:
        connection.execute(
            "INSERT INTO owners (slug, name) SELECT 'o' || n, 'o' || n"
            " FROM generate_series(1, %s) AS n",
            (OWNERS,),
        )
        connection.execute(
            "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
            " SELECT 'family', 1 + n %% %s, n, %s, n FROM generate_series(1, %s) AS n",
            (OWNERS, NOON, RECORDS),
        )
        connection.execute(
            "INSERT INTO ledger (record_id, owner_id, step, line, due_at)"
            " SELECT id, owner_id, unnest(%s::text[]), line, now() FROM records",
            (list(STEPS),),
        )
        connection.execute("VACUUM ANALYZE records, ledger")


async def _measured(url: str) -> list[Figure]:
    async with open_pool(url, size=WRITERS) as pool:
        rates: dict[str, list[float]] = {"without": [], "shards": [], "one row": []}
        for _ in range(ROUNDS):
            with patch.object(Writer, "_count", _count_nothing):
                rates["without"].append(await _a_second(pool))
            rates["shards"].append(await _a_second(pool))
            with patch.object(totals, "SHARDS", 1):
                rates["one row"].append(await _a_second(pool))
    without, shards, one_row = (median(found) for found in rates.values())
    name = f"{WRITERS} writers, {AT_ONCE} outcomes at a time"
    return [
        Figure(f"{name}: not counted", without, "outcomes a second"),
        Figure(f"{name}: counted", shards, "outcomes a second"),
        Figure(
            "the writers' time that counting adds", 100 * (without / shards - 1), "%", at_most=10
        ),
        Figure(
            "the same without shards",
            100 * (without / one_row - 1),
            "%",
            note="all add to the same rows",
        ),
    ]


async def _count_nothing(
    self: Writer, connection: AsyncConnection, outcomes: list[Outcome]
) -> None:
    """In place of counting."""


async def _a_second(pool: Pool) -> float:
    """Outcomes written in a second, by all writers."""
    deadline = time.monotonic() + SECONDS
    return sum(await asyncio.gather(*(_write(pool, n, deadline) for n in range(WRITERS)))) / SECONDS


async def _write(pool: Pool, number: int, deadline: float) -> int:
    """Write outcomes of this writer's own records until then. Returns how many."""
    first = 1 + number * (RECORDS // WRITERS)
    mine = range(first, first + RECORDS // WRITERS)
    at = written = 0
    writer = Writer(LINE, pool, RunSpec(WINDOW, STEPS, f"run-{number}-{deadline}"))
    while time.monotonic() < deadline:
        records = [mine[(at + n) % len(mine)] for n in range(AT_ONCE // len(STEPS))]
        at += len(records)
        for record_id in records:
            for outcome in _outcomes(record_id):
                await writer.put(outcome)
        await writer.flush()
        written += len(records) * len(STEPS)
    return written


def _outcomes(record_id: int) -> list[Outcome]:
    """What a run makes of a record: each step with a call of a model, now and then a retry."""
    made = [_outcome(record_id, step) for step in STEPS]
    made[-1] = replace(made[-1], carried=Carried("recording", 12.0))
    return made


def _outcome(record_id: int, step: str) -> Outcome:
    began = datetime.now(UTC)
    with counting() as counts, metered() as used:
        usage.record(f"model of {step}", tokens_in=900, tokens_out=90)
    history = [Attempt(1, began, 0.3, "succeeded", None, None, used)]
    if record_id % 10 == 0:
        history.insert(0, Attempt(1, began, 0.1, "retried", "RetryableError", True, used))
        history[1] = replace(history[1], number=2)
    return Outcome(
        record_id,
        1 + record_id % OWNERS,
        step,
        "succeeded",
        attempts=len(history),
        output_fingerprint="made",
        usage=used,
        seconds=0.3 + record_id % 7,
        history=history,
        counts=counts,
    )


async def _make(*_: object) -> None:
    """What no run here calls."""


async def _save(_connection: AsyncConnection, _made: Sequence[Made[None]]) -> None:
    """Store nothing."""


async def _load(*_: object) -> dict[int, None]:
    return {}


LINE = Line("family", tuple(Step(name, "1", _make, _save) for name in STEPS), _load)
