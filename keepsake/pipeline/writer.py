"""Writing what a run has made: many outcomes in one transaction, results and ledger rows together.

The engine (`run.py`) hands over how each step of each record ended, and asks
when a record is written. A database that does not answer is tried again; a result that cannot be
stored fails alone.
"""

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import psycopg

from keepsake.database import AsyncConnection, Pool
from keepsake.metrics import totals
from keepsake.metrics.counts import merged
from keepsake.owners.budgets import lock_budgets
from keepsake.pipeline.counted import counted
from keepsake.pipeline.ledger import writes
from keepsake.pipeline.ledger.attempts import add_attempts, without_written
from keepsake.pipeline.ledger.rows import Outcome
from keepsake.pipeline.ledger.states import ended_records
from keepsake.pipeline.line import Line, Made
from keepsake.pipeline.spec import DEFAULT_CONFIG, EngineConfig, RunSpec

log = logging.getLogger(__name__)


class Writer:
    """Gathers outcomes and writes many in one transaction, results and ledger rows together."""

    def __init__(
        self, line: Line, pool: Pool, spec: RunSpec, config: EngineConfig = DEFAULT_CONFIG
    ) -> None:
        self.line = line
        self.pool = pool
        self.spec = spec
        self.config = config
        self.gathered: list[Outcome] = []
        self.unwritten: Counter[int] = Counter()
        self.in_work = 0  # records of which more outcomes are to come
        self.wrote = asyncio.Condition()
        self.enough = asyncio.Event()
        self.writing = asyncio.Lock()

    async def put(self, outcome: Outcome) -> None:
        """Hand an outcome over; it is written soon."""
        self.gathered.append(outcome)
        self.unwritten[outcome.record_id] += 1
        if len(self.gathered) >= self.config.flush_outcomes:
            self.enough.set()

    async def written(self, record_id: int) -> None:
        """Wait until everything handed over for this record is in the database."""
        if not self.in_work:
            self.enough.set()  # the last ones need not wait for company
        async with self.wrote:
            await self.wrote.wait_for(lambda: not self.unwritten[record_id])
            del self.unwritten[record_id]

    async def run(self) -> None:
        """Write for as long as the run lasts."""
        while True:
            # Not wait_for(): before Python 3.12 it can swallow the cancellation that ends us.
            with suppress(TimeoutError):
                async with asyncio.timeout(self.config.flush_seconds):
                    await self.enough.wait()
            # A cancelled run lets the write it is in come to its end.
            await asyncio.shield(self.flush())

    async def flush(self) -> None:
        """Write what has been gathered.

        Raises:
            psycopg.OperationalError: the database did not take it within a few tries.
        """
        async with self.writing:
            outcomes, self.gathered = self.gathered, []
            self.enough.clear()
            if not outcomes:
                return
            await self._write_with_retries(outcomes)
            async with self.wrote:
                self.unwritten.subtract(outcome.record_id for outcome in outcomes)
                self.wrote.notify_all()

    async def _write_with_retries(self, outcomes: list[Outcome]) -> None:
        again = False
        for pause in (*self.config.write_pauses, None):
            try:
                await self._write(outcomes, again=again)
                break
            except psycopg.OperationalError as error:
                if pause is None:
                    raise
                log.warning(
                    "the database did not take %s results (%s); trying again in %s s",
                    len(outcomes),
                    type(error).__name__,
                    pause,
                )
                await asyncio.sleep(pause)
                again = True

    async def _write(self, outcomes: list[Outcome], *, again: bool) -> None:
        try:
            async with self.pool.connection() as connection, connection.transaction():
                await self._write_together(connection, outcomes, again=again)
        except psycopg.OperationalError:
            raise
        except Exception as error:
            # One result that cannot be stored must not take the others with it. Not every such
            # error is the database's: text may hold what UTF-8 has no bytes for.
            if len(outcomes) > 1:
                middle = len(outcomes) // 2
                await self._write(outcomes[:middle], again=again)
                await self._write(outcomes[middle:], again=again)
            elif isinstance(error, psycopg.errors.ForeignKeyViolation) and not await self._is_there(
                outcomes[0].record_id
            ):
                # It was deleted while we worked on it.
                log.info("record %s is gone; its result is dropped", outcomes[0].record_id)
            elif outcomes[0].result is not None:
                log.error(
                    "the database refused the result of %s of record %s (%s)",
                    outcomes[0].step,
                    outcomes[0].record_id,
                    type(error).__name__,
                )
                await self._write([_unstorable(outcomes[0])], again=again)
            else:
                raise

    async def _is_there(self, record_id: int) -> bool:
        async with self.pool.connection() as connection:
            found = await connection.execute("SELECT FROM records WHERE id = %s", (record_id,))
            return found.rowcount == 1

    async def _write_together(
        self, connection: AsyncConnection, outcomes: list[Outcome], *, again: bool
    ) -> None:
        run_id = self.spec.run_id
        # If the answer to a COMMIT was lost, this is a repetition: what counts already is left out.
        outcomes = await add_attempts(connection, outcomes, run_id=run_id)
        if again:
            outcomes = await without_written(connection, outcomes, run_id=run_id)
        if put_off := {o.owner_id for o in outcomes if o.wait_reason == "budget"}:
            await lock_budgets(connection, put_off)
        for step in self.line.steps:
            made = [
                Made(o.record_id, o.owner_id, o.result)
                for o in outcomes
                if o.step == step.name and o.result is not None
            ]
            if not made:
                continue
            await step.save(connection, made)
            waiting = [
                other.name
                for other in self.line.steps
                if step.name in other.needs and other.name in self.spec.mark_due
            ]
            if waiting:
                await writes.mark_due(connection, [each.record_id for each in made], waiting)
        await writes.write(connection, self.line.name, outcomes, run_id=run_id)
        await self._count(connection, outcomes)

    async def _count(self, connection: AsyncConnection, outcomes: list[Outcome]) -> None:
        carried = [outcome.record_id for outcome in outcomes if outcome.carried is not None]
        ended = await ended_records(connection, carried) if carried else {}
        of_owners = counted(self.line.name, outcomes, ended)
        counts = merged(of_owners.values())
        await totals.add(connection, counts, run_id=self.spec.run_id, of_owners=of_owners)


def _unstorable(outcome: Outcome) -> Outcome:
    *before, last = outcome.history
    failed = replace(
        outcome,
        status="failed",
        result=None,
        input_fingerprint=None,
        output_fingerprint=None,
        nothing_reason=None,
        error_type="Unstorable",
        error_message=f"the database refused the result of {outcome.step}: a fault of Keepsake "
        "itself, please report it with the run's log",
        history=[
            *before,
            replace(last, outcome="failed", error_type="Unstorable", retryable=False),
        ],
    )
    return failed.over(outcome.earlier) if outcome.earlier else failed
