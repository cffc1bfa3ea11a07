"""How records flow through the steps of a line.

There is no barrier between steps: a record's independent steps run side by side, different records
are in different steps, and the limiter of each model role bounds them, so a batch takes as long as
its busiest role. A bounded number of records is in memory (`loading.py`). Finished steps are
written many at a time (`writer.py`), each result in one transaction with its ledger row.

What a line is made of is in `line.py`, what is to be made in `staleness.py`, retries in
`attempts.py`. Nothing here knows Dagster.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

import psycopg

from keepsake.database import Pool
from keepsake.logs import about
from keepsake.owners.usage import UNPRICED, Billing
from keepsake.pipeline.attempts import Maker
from keepsake.pipeline.ledger import claims
from keepsake.pipeline.ledger.rows import Carried, Outcome
from keepsake.pipeline.limits import before_call, current_owner
from keepsake.pipeline.line import Line, Step
from keepsake.pipeline.loading import Loader
from keepsake.pipeline.reports import OnPartition, Report, Tally
from keepsake.pipeline.spec import DEFAULT_CONFIG, EngineConfig, RunSpec
from keepsake.pipeline.staleness import Staleness, WorkItem
from keepsake.pipeline.writer import Writer
from keepsake.traces.spans import Attributes, here, note, span

log = logging.getLogger(__name__)


async def run_line(
    line: Line,
    spec: RunSpec,
    tools: Any,
    *,
    pool: Pool,
    models: Mapping[str, str],
    billing: Billing = UNPRICED,
    on_progress: Callable[[Report], None] | None = None,
    on_partition: OnPartition | None = None,
    check: Callable[[], Awaitable[None]] | None = None,
    config: EngineConfig = DEFAULT_CONFIG,
) -> Report:
    """Carry the records of `spec` through its steps.

    Cancelling keeps what is finished, puts back what is not, and raises `CancelledError`.

    An owner whose budget is spent gets no new paid work: it is put off to the next month. Calls
    under way then may still take the sum above the budget.

    Args:
        line: whose steps.
        spec: which records and steps.
        tools: handed to every step.
        pool: connections to the database; one is kept for the whole run.
        models: the model in force for each role.
        billing: what the models cost.
        on_progress: called every few seconds, if anything has moved, with the report so far.
        on_partition: called once for each partition in which records were checked, with what
            became of its steps: in mode `all` as soon as its records are written, else at the end.
        check: called before each call to a model; it raises `JobLost` to stop the run.
        config: bounds and times of the engine.

    Raises:
        JobLost: `check` did. What is finished is kept, what is not is put back.
        psycopg.Error: the database failed for longer than a few retries bridge. Nothing that was
            written is lost; the rest is still due.
    """
    run = _Run(line, spec, tools, pool, models, billing, on_partition, config)
    before = before_call.set(check)
    try:
        with span(f"run {line.name}", run.traced):
            report = await run.run(on_progress or (lambda report: None))
            note({"keepsake.records": report.records})
            return report
    except BaseExceptionGroup as group:
        raise _first(group) from None
    finally:
        before_call.reset(before)


def _first(error: BaseException) -> BaseException:
    """The error that made a group of tasks stop."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Run:
    """One run of a line: each record through its steps, until none is left."""

    def __init__(
        self,
        line: Line,
        spec: RunSpec,
        tools: Any,
        pool: Pool,
        models: Mapping[str, str],
        billing: Billing,
        on_partition: OnPartition | None,
        config: EngineConfig,
    ) -> None:
        self.line = line
        self.steps = [step for step in line.steps if step.name in spec.steps]
        self.spec = spec
        self.pool = pool
        self.progress_seconds = config.progress_seconds
        self.tally = Tally(self.steps, on_partition, failures_logged=config.failures_logged)
        self.staleness = Staleness(self.steps, spec, models, billing)
        self.loader = Loader(line, spec, pool, self.staleness, self.tally, config)
        self.maker = Maker(line, tools, pool, self.staleness, billing, config.retry)
        self.writer = Writer(line, pool, spec, config)
        self.one_suspect = asyncio.Lock()
        self.traced: Attributes = {"keepsake.line": line.name, "keepsake.run.id": spec.run_id}

    async def run(self, on_progress: Callable[[Report], None]) -> Report:
        started = time.monotonic()
        report = self.tally.report
        # The locks live and die with this connection: a killed run frees its records at once.
        async with self.pool.connection() as locks:
            try:
                async with asyncio.TaskGroup() as group:
                    background = [
                        group.create_task(self.writer.run()),
                        group.create_task(self._show_progress(started, on_progress)),
                    ]
                    async with (
                        asyncio.TaskGroup() as records,
                        aclosing(self.loader.items(locks)) as items,
                    ):
                        async for item in items:
                            records.create_task(self._carry(item))
                    for task in background:
                        task.cancel()
            except BaseException:
                await asyncio.shield(self._put_back())
                raise
            finally:
                with suppress(psycopg.Error):  # a broken connection has freed them already
                    await asyncio.shield(locks.execute("SELECT pg_advisory_unlock_all()"))
        report.seconds = time.monotonic() - started
        self.tally.complete_all()
        return report

    async def _put_back(self) -> None:
        """Keep what is finished; make the rest due again. A database that is gone keeps both."""
        try:
            await self.writer.flush()
            async with self.pool.connection() as connection:
                await claims.release(connection, self.spec.run_id)
        except psycopg.Error as error:
            log.warning("could not put records back (%s); they stay due", type(error).__name__)

    async def _show_progress(self, started: float, on_progress: Callable[[Report], None]) -> None:
        report, shown = self.tally.report, None
        while True:
            await asyncio.sleep(self.progress_seconds)
            report.seconds = time.monotonic() - started
            state = (report.records, report.state())
            if state != shown:
                shown = state
                on_progress(report)

    # -- one record through its steps -----------------------------------------------------------

    async def _carry(self, item: WorkItem) -> None:
        current_owner.set(item.owner_id)  # of this task, and those it starts
        traced: Attributes = {**self.traced, "keepsake.record.id": item.record_id}
        with (
            about(record=item.record_id, owner=item.owner_id),
            # Apart: a run may have a hundred thousand, and a trace is read and kept as a whole.
            span(f"record {self.line.name}", traced, apart_from=[here()]),
        ):
            if item.is_suspect:
                await self._carry_alone(item)
            else:
                await self._carry_through_steps(item)
        self.loader.finish(item)

    async def _carry_alone(self, item: WorkItem) -> None:
        """Carry a record that was there when runs died: one such at a time.

        Only now the ledger says that we have it, so that if it kills this run too, those which
        were merely near it are not blamed.
        """
        async with self.one_suspect:
            async with self.pool.connection() as connection:
                await self.loader.mark_running(connection, [item])
            await self._carry_through_steps(item)

    async def _carry_through_steps(self, item: WorkItem) -> None:
        if any(self.staleness.is_paid(step) for step in item.planned):
            await item.pacing.turn()
        tasks: dict[str, asyncio.Task[Outcome | None]] = {}
        self.writer.in_work += 1
        async with asyncio.TaskGroup() as group:
            for step in self.steps:
                needs = {name: tasks[name] for name in step.needs if name in tasks}
                tasks[step.name] = group.create_task(self._step(step, item, needs))
        self.writer.in_work -= 1
        await self.writer.written(item.record_id)
        left = [step.name for step in item.planned if tasks[step.name].result() is None]
        if left:  # a need was to be made again first, and was not
            with suppress(psycopg.OperationalError):  # the next run takes them for crashed
                async with self.pool.connection() as connection:
                    await claims.put_back(connection, item.record_id, left, self.spec.run_id)

    async def _step(
        self, step: Step, item: WorkItem, needs: Mapping[str, asyncio.Task[Outcome | None]]
    ) -> Outcome | None:
        """Bring one step of one record to its outcome; None if it was left as it is."""
        outcomes = {name: outcome for name, task in needs.items() if (outcome := await task)}
        made = {name for name, outcome in outcomes.items() if outcome.status == "succeeded"}
        if not self.staleness.is_to_make(step, item, made=made):
            self.tally.count_left_alone(step, item.partition, held=item.is_held(step))
            return None
        item.in_work += 1
        outcome = self.staleness.not_now(step, item, outcomes) or await self.maker.make(
            step, item, self.tally.report.in_flight[step.name]
        )
        item.in_work -= 1
        if outcome.usage:
            item.pacing.book(outcome.usage.cost)
        self.tally.count(step, item.partition, outcome)
        if outcome.result is not None:
            item.results[step.name] = None if outcome.nothing_reason else outcome.result
            item.remade[step.name] = outcome.output_fingerprint
        if entry := item.entries.get(step.name):
            outcome = outcome.over(entry)
        item.ended.add(step.name)
        if outcome.status == "succeeded":
            item.made.add(step.name)
        if self.staleness.is_carried(item):
            seconds = time.monotonic() - item.taken
            outcome = replace(outcome, carried=Carried(self.line.platform(item.source), seconds))
        await self.writer.put(outcome)
        return outcome
