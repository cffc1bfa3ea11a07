"""A line whose steps only name what they were made from, on a real database.

`hear` comes first, `tell` and `tag` need it, `bind` needs both, so the result of `bind` for the
record `x` is `bind(tell(hear(x)),tag(hear(x)))`. What a step meets besides is up to the test: it
gives the `Stage` an act.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.rows import dict_row

from keepsake.database import AsyncConnection, Connection, Pool
from keepsake.owners.usage import UNPRICED, Billing
from keepsake.pipeline.line import Line, Made, Nothing, Step
from keepsake.pipeline.reports import OnPartition, Report
from keepsake.pipeline.run import run_line
from keepsake.pipeline.spec import EngineConfig, RunSpec
from keepsake.pipeline.window import Window
from keepsake.records.adding import PRIORITIES, NewRecord
from tests.doubles.pace import FAST
from tests.given import given_records

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = Window("toy", NOON - timedelta(hours=12), NOON + timedelta(hours=12))
STEPS = ("hear", "tell", "tag", "bind")


@dataclass(frozen=True)
class Source:
    """A toy record's text is the external id it came with."""

    record_id: int
    text: str
    content_hash: str


Act = Callable[[Source], Awaitable[str | Nothing | None]]


@dataclass
class Stage:
    """The steps' tools: notes every call, and has a step act in its own way if the test says so."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    acts: dict[str, Act] = field(default_factory=dict)

    def act(self, *steps: str) -> Callable[[Act], Act]:
        """What these steps do before, or in place of, giving their usual result."""

        def keep(act: Act) -> Act:
            self.acts.update(dict.fromkeys(steps, act))
            return act

        return keep

    def count(self, step: str, text: str | None = None) -> int:
        """Calls of a step so far."""
        return sum(1 for name, of in self.calls if name == step and text in (None, of))


def toy_step(name: str, *needs: str, **traits: Any) -> Step:
    """A step whose result is its name around those of its needs."""

    async def make(source: Source, *given: Any) -> str | Nothing:
        *inputs, stage = given
        stage.calls.append((name, source.text))
        act = stage.acts.get(name)
        result = await act(source) if act else None
        made_from = ",".join("nothing" if given is None else given for given in inputs)
        return f"{name}({made_from or source.text})" if result is None else result

    async def save(connection: AsyncConnection, made: Sequence[Made[str | Nothing]]) -> None:
        await connection.execute(
            "DELETE FROM toy WHERE step = %s AND record_id = ANY(%s)",
            (name, [each.record_id for each in made]),
        )
        await connection.cursor().executemany(
            "INSERT INTO toy VALUES (%s, %s, %s)",
            [(record_id, name, result) for record_id, _, result in made
             if not isinstance(result, Nothing)],
        )  # fmt: skip

    async def load(connection: AsyncConnection, ids: Sequence[int]) -> Mapping[int, str]:
        cursor = await connection.execute(
            "SELECT record_id, result FROM toy WHERE step = %s AND record_id = ANY(%s)",
            (name, list(ids)),
        )
        return dict(await cursor.fetchall())

    return Step(name, "1", make, save, load, needs, **traits)


async def load_sources(connection: AsyncConnection, ids: Sequence[int]) -> Mapping[int, Source]:
    """The toy records."""
    cursor = await connection.execute(
        "SELECT id, external_id, content_hash FROM records WHERE id = ANY(%s)", (list(ids),)
    )
    return {row[0]: Source(*row) for row in await cursor.fetchall()}


TOY = Line(
    "toy",
    (
        toy_step("hear", roles=("ears",)),
        toy_step("tell", "hear"),
        toy_step("tag", "hear"),
        toy_step("bind", "tell", "tag"),
    ),
    load_sources,
)


def with_step(line: Line, name: str, **changes: Any) -> Line:
    """The line after a developer changed one of its steps."""
    steps = [replace(step, **changes) if step.name == name else step for step in line.steps]
    return replace(line, steps=tuple(steps))


@dataclass
class World:
    """A database with the toy line's table, and what happens in it."""

    url: str
    pool: Pool
    db: Connection
    line: Line = TOY
    models: dict[str, str] = field(default_factory=dict)
    billing: Billing = UNPRICED
    stage: Stage = field(default_factory=Stage)
    config: EngineConfig = FAST
    runs: int = 0

    @property
    def calls(self) -> list[tuple[str, str]]:
        """(step, text) of every call so far."""
        return self.stage.calls

    def add(
        self, *texts: str, priority: str = "normal", at: datetime = NOON, owner_id: int = 1
    ) -> int:
        """Add records; the id of the last."""
        new = [NewRecord(text, at, text, PRIORITIES[priority]) for text in texts]
        return given_records(self.db, *new, line="toy", owner_id=owner_id)[-1].record_id

    async def run(
        self,
        *steps: str,
        stage: Stage | None = None,
        on_progress: Callable[[Report], None] | None = None,
        on_partition: OnPartition | None = None,
        **spec: Any,
    ) -> Report:
        """Carry the day's records through these steps, or all."""
        self.runs += 1
        settings = {"window": DAY, "steps": steps or STEPS, "run_id": f"run-{self.runs}", **spec}
        async with asyncio.timeout(20):
            return await run_line(
                self.line,
                RunSpec(**settings),
                stage or self.stage,
                pool=self.pool,
                models=self.models,
                billing=self.billing,
                on_progress=on_progress,
                on_partition=on_partition,
                config=self.config,
            )

    def rows(self, text: str) -> dict[str, dict[str, Any]]:
        """The ledger's rows of one record, by step."""
        with self.db.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(
                "SELECT l.*, due_at <= now() AS due FROM ledger l JOIN records r"
                " ON r.id = l.record_id WHERE external_id = %s",
                (text,),
            ).fetchall()
        return {row["step"]: row for row in found}

    def statuses(self, text: str) -> dict[str, str]:
        """What the ledger says of one record, by step."""
        return {step: row["status"] for step, row in self.rows(text).items()}

    def results(self, text: str) -> dict[str, str]:
        """What is stored of one record, by step."""
        return dict(
            self.db.execute(
                "SELECT step, result FROM toy JOIN records r ON r.id = record_id"
                " WHERE external_id = %s",
                (text,),
            ).fetchall()
        )

    def record_status(self, text: str) -> str:
        """The status that people see."""
        row = self.db.execute(
            "SELECT s.status FROM record_status s JOIN records r ON r.id = s.record_id"
            " WHERE external_id = %s",
            (text,),
        ).fetchone()
        assert row is not None
        return str(row[0])

    def with_config(self, **changes: Any) -> None:
        """Change bounds and times of the engine."""
        self.config = replace(self.config, **changes)

    def with_retry(self, **changes: Any) -> None:
        """Change when steps are tried again."""
        self.with_config(retry=replace(self.config.retry, **changes))

    def make_due(self) -> None:
        """Let the time pass until everything that was put off is due."""
        self.db.execute("UPDATE ledger SET due_at = now() WHERE due_at > now()")
