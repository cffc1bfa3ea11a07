"""How records flow through the steps of a line.

There is no barrier between steps: a record's independent steps run side by side, different records
are in different steps, and the limiter of each model role bounds them, so a batch takes as
long as its busiest role. A bounded window of records is in memory. Finished steps are written many
at a time (`keepsake/pipeline/writer.py`), each result in one transaction with its ledger row.

What a line is made of stands in `keepsake/pipeline/line.py`, what its steps do in `assets/`.
Nothing here knows Dagster.
"""

import asyncio
import logging
import random
import time
import traceback
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Container,
    Mapping,
    Sequence,
)
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from keepsake.database import AsyncConnection, Pool
from keepsake.errors import EndpointDown, RateLimited, RetryableError, StepError, Unreachable
from keepsake.owners.pacing import Account
from keepsake.owners.usage import UNPRICED, Billing, metered
from keepsake.pipeline import ledger
from keepsake.pipeline.fingerprint import fingerprint
from keepsake.pipeline.ledger import Entry, Outcome, Terms
from keepsake.pipeline.limits import InFlight, current_in_flight, current_owner
from keepsake.pipeline.line import SAMPLE, Line, Report, RunSpec, Step, StepReport
from keepsake.pipeline.writer import Writer

log = logging.getLogger(__name__)

ATTEMPTS = 3
# All in seconds. Between attempts within a run; the longest a provider may make a run wait:
FIRST_DELAY, LONGEST_DELAY, LONGEST_PATIENCE = 1.0, 10.0, 60.0
LONG_WAITS = 8  # times that a record is put off because its provider asks for patience with it
PROGRESS_SECONDS = 5.0  # between looks at whether anything has moved
FAILURES_LOGGED = 50  # of a step in a run, one by one; the rest are counted
FIRST_DEFERRAL, LONGEST_DEFERRAL = timedelta(minutes=1), timedelta(minutes=30)
MOST_ASKED = 86_400.0  # seconds: who asks for more patience is asked again tomorrow all the same
RECORDS_IN_MEMORY, RECORDS_A_PAGE = 192, 64

OnPartition = Callable[[datetime, Mapping[str, StepReport]], None]


@dataclass
class _Item:
    """One record in the window."""

    record_id: int
    source: Any
    entries: Mapping[str, Entry]
    account: Account  # of its owner
    partition: datetime  # its first moment
    likely: list[Step] = field(default_factory=list)  # what will be made, as far as we can tell
    results: dict[str, Any] = field(default_factory=dict)
    remade: dict[str, str | None] = field(default_factory=dict)  # output fingerprints of this run

    @property
    def owner_id(self) -> int:
        """Whose record it is."""
        return self.account.terms.owner_id

    def held(self, step: Step) -> bool:
        """Whether nobody is to make this step of it."""
        entry = self.entries.get(step.name)
        return entry is not None and entry.held is not None

    @property
    def suspect(self) -> bool:
        """Whether one more run that dies would count as this record's fault."""
        return any(entry.died >= ledger.CRASHES_ALLOWED - 1 for entry in self.entries.values())

    def output(self, step: str) -> str | None:
        """Fingerprint of the step's result as it is now."""
        entry = self.entries.get(step)
        return self.remade.get(step, entry.output_fingerprint if entry else None)

    def blocked(self, step: Step, made: Container[str]) -> str | None:
        """The first need of `step` that has no result and is not `made` in this run."""
        for need in step.needs:
            entry = self.entries.get(need)
            if need not in made and (entry is None or entry.status != "succeeded"):
                return need
        return None


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
) -> Report:
    """Carry the records of `spec` through its steps.

    `on_progress` is called every few seconds, if anything has moved, with what became of the run so
    far. `on_partition` is called once for each partition in which records were looked at, with
    what became of its steps: as soon as all records of the partition are written where the run
    takes all, else at the end.

    `tools` is handed to every step; `models` names the model in force for each role, and `billing`
    says what they cost. Cancelling keeps what is finished, puts back what is not, and raises
    `CancelledError`.

    An owner whose budget is spent gets no new paid work: it is put off to the next month. Calls
    under way then may still take the sum above the budget.

    Raises:
        psycopg.Error: the database failed for longer than a few retries bridge. Nothing that was
            written is lost; the rest is still due.
    """
    run = _Run(
        line,
        spec,
        tools,
        pool,
        models,
        billing,
        on_progress or (lambda report: None),
        on_partition or (lambda start, steps: None),
    )
    try:
        return await run.run()
    except BaseExceptionGroup as group:
        raise _first(group) from None


def _first(error: BaseException) -> BaseException:
    """The error that made a group of tasks stop."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Run:
    """One run of a line: its window of records and what became of them."""

    def __init__(
        self,
        line: Line,
        spec: RunSpec,
        tools: Any,
        pool: Pool,
        models: Mapping[str, str],
        billing: Billing,
        on_progress: Callable[[Report], None],
        on_partition: OnPartition,
    ) -> None:
        self.line = line
        self.spec = spec
        self.tools = tools
        self.pool = pool
        self.models = models
        self.billing = billing
        self.on_progress = on_progress
        self.on_partition = on_partition
        self.steps = [step for step in line.steps if step.name in spec.steps]
        self.report = Report(
            {step.name: StepReport() for step in self.steps},
            in_flight={step.name: InFlight() for step in self.steps},
        )
        # Of partitions that are not complete: what became of their steps, and how many of their
        # records are still to be looked at.
        self.partitions: dict[datetime, dict[str, StepReport]] = {}
        self.left: dict[datetime, int] = {}
        self.writer = Writer(line, pool, spec)
        self.places = asyncio.Semaphore(RECORDS_IN_MEMORY)
        self.accounts: dict[int, Account] = {}  # by owner
        self.one_suspect = asyncio.Lock()
        self.finished: list[int] = []
        self.seen: list[int] = []  # when it takes what is due
        self.after: tuple[int, int] | None = None  # when it takes all

    async def run(self) -> Report:
        started = time.monotonic()
        # The locks live and die with this connection: a killed run frees its records at once.
        async with self.pool.connection() as locks:
            try:
                async with asyncio.TaskGroup() as group:
                    background = [
                        group.create_task(self.writer.run()),
                        group.create_task(self._show_progress(started)),
                    ]
                    async with (
                        asyncio.TaskGroup() as records,
                        aclosing(self._items(locks)) as items,
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
        self.report.seconds = time.monotonic() - started
        self._log_uncounted()
        for start in list(self.partitions):
            self._complete(start)
        return self.report

    async def _put_back(self) -> None:
        """Keep what is finished; make the rest due again. A database that is gone keeps both."""
        try:
            await self.writer.flush()
            async with self.pool.connection() as connection:
                await ledger.release(connection, self.spec.run_id)
        except psycopg.Error as error:
            log.warning("could not put records back (%s); they stay due", type(error).__name__)

    async def _show_progress(self, started: float) -> None:
        shown = None
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            self.report.seconds = time.monotonic() - started
            state = (self.report.records, self.report.state())
            if state != shown:
                shown = state
                self.on_progress(self.report)

    def _log_uncounted(self) -> None:
        for name, step in self.report.steps.items():
            if step.failed > FAILURES_LOGGED:
                log.warning("%s: %s more records failed", name, step.failed - FAILURES_LOGGED)

    # -- partitions -----------------------------------------------------------------------------

    def _counters(self, step: Step, item: _Item) -> tuple[StepReport, StepReport]:
        """Where a step of a record is counted: in the whole run, and in its partition."""
        if item.partition not in self.partitions:
            self._look_at(item.partition)
        return self.report.steps[step.name], self.partitions[item.partition][step.name]

    def _look_at(self, partition: datetime) -> None:
        self.partitions.setdefault(partition, {step.name: StepReport() for step in self.steps})

    def _looked_at(self, partition: datetime) -> None:
        """One more record of the partition is done with."""
        self._look_at(partition)
        if partition in self.left:
            self.left[partition] -= 1
            if not self.left[partition]:
                self._complete(partition)

    def _complete(self, partition: datetime) -> None:
        self.left.pop(partition, None)
        self.on_partition(partition, self.partitions.pop(partition))

    # -- records into the window ----------------------------------------------------------------

    async def _items(self, locks: AsyncConnection) -> AsyncGenerator[_Item]:
        """Locked, loaded records that have work, never more than fit the window."""
        async for page in self._pages():
            finished, self.finished = self.finished, []
            await ledger.unlock_records(locks, finished)
            taken = await ledger.lock_records(locks, list(page))
            self.report.busy += len(page) - len(taken)
            items = await self._load({record_id: page[record_id] for record_id in taken})
            self._free(len(page) - len(items))
            for record_id in page.keys() - {item.record_id for item in items}:
                self._looked_at(page[record_id])
            for item in items:
                yield item

    async def _pages(self) -> AsyncIterator[dict[int, datetime]]:
        """Records to look at: id and partition.

        Each page is asked for when the window has room for it.
        """
        next_page = self._due_page if self.spec.mode == "due" else self._all_page
        self.report.expected = await self._expect()
        left = self.spec.max_records
        while left != 0:
            room = await self._room(RECORDS_A_PAGE if left is None else min(RECORDS_A_PAGE, left))
            page = await next_page(room)
            self._free(room - len(page))
            if not page:
                return
            if left is not None:
                left -= len(page)
            yield page

    async def _room(self, at_most: int) -> int:
        """Take the places that are free, at least one."""
        await self.places.acquire()
        room = 1
        while room < at_most and not self.places.locked():
            await self.places.acquire()
            room += 1
        return room

    def _free(self, places: int) -> None:
        for _ in range(places):
            self.places.release()

    async def _expect(self) -> int:
        """How many records there are to look at; of each partition, where all are."""
        async with self.pool.connection() as connection:
            if self.spec.mode == "due":
                return await ledger.count_due(
                    connection, self.spec.window, self.spec.steps, at_most=self.spec.max_records
                )
            counts = await ledger.count_all(connection, self.spec.window, self.spec.starts)
        if self.spec.max_records is None:
            self.left = {self.spec.starts[place]: count for place, count in counts.items()}
        return sum(counts.values())

    async def _due_page(self, limit: int) -> dict[int, datetime]:
        # Asked anew for each page, so that an urgent record which arrives now is next. What this
        # run has seen is left out: it may still look due because its outcome is being written.
        starts = self.spec.starts
        async with self.pool.connection() as connection:
            page = await ledger.due_records(
                connection,
                self.spec.window,
                self.spec.steps,
                limit=limit,
                without=self.seen,
                starts=starts,
            )
        self.seen += [record_id for record_id, _ in page]
        return {record_id: starts[place] for record_id, place in page}

    async def _all_page(self, limit: int) -> dict[int, datetime]:
        starts = self.spec.starts
        async with self.pool.connection() as connection:
            page = await ledger.all_records(
                connection, self.spec.window, limit=limit, after=self.after, starts=starts
            )
        if page:
            self.after = page[-1][:2]
        return {record_id: starts[place] for _, record_id, place in page}

    async def _load(self, partitions: Mapping[int, datetime]) -> list[_Item]:
        """Those of the records that have work, with what their steps need.

        Says in the ledger that we have them, so that people see who works on what, and the next
        run can tell if this one dies.
        """
        ids = list(partitions)
        if not ids:
            return []
        async with self.pool.connection() as connection:
            entries = await ledger.entries(connection, ids)
            terms = await ledger.terms(connection, self.line.name, ids)
            sources = await self.line.load(connection, ids)
            items = [
                _Item(i, sources[i], entries[i], self._account(terms[i]), partitions[i])
                for i in ids
                if i in sources
            ]
            for item in items:
                item.likely = self._likely(item)
            await self._preload(connection, items)
            await self._mark_running(connection, [item for item in items if not item.suspect])
        return [item for item in items if not self._settled(item)]

    async def _mark_running(self, connection: AsyncConnection, items: Sequence[_Item]) -> None:
        todo = [(item.record_id, step.name) for item in items for step in item.likely]
        if todo:
            await ledger.mark_running(connection, todo, run_id=self.spec.run_id)

    def _settled(self, item: _Item) -> bool:
        """Whether every step is up to date; then there is no need to carry the record anywhere."""
        if not all(self._nothing_to_do(step, item, fresh=set()) for step in self.steps):
            return False
        self.report.records += 1
        for step in self.steps:
            self._leave(step, item)
        self.finished.append(item.record_id)
        return True

    def _leave(self, step: Step, item: _Item) -> None:
        """Count a step that is left as it is."""
        for report in self._counters(step, item):
            if item.held(step):
                report.held += 1
            else:
                report.up_to_date += 1

    def _likely(self, item: _Item) -> list[Step]:
        """The steps that will be made, as far as can be told before any is."""
        likely: dict[str, Step] = {}
        for step in self.steps:
            fresh = set(likely)
            if not self._nothing_to_do(step, item, fresh=fresh) and not item.blocked(step, fresh):
                likely[step.name] = step
        return list(likely.values())

    async def _preload(self, connection: AsyncConnection, items: Sequence[_Item]) -> None:
        """Read the stored results that these steps are made from, one query a step."""
        takers: dict[str, list[_Item]] = {}
        for item in items:
            needs = {need for step in item.likely for need in step.needs}
            for need in needs - {step.name for step in item.likely}:
                takers.setdefault(need, []).append(item)
        for need, wanting in takers.items():
            results = await self._stored(connection, need, [item.record_id for item in wanting])
            for item in wanting:
                if item.record_id in results:  # or it was deleted a moment ago
                    item.results[need] = results[item.record_id]

    async def _stored(
        self, connection: AsyncConnection, step: str, ids: Sequence[int]
    ) -> Mapping[int, Any]:
        load = self.line.step(step).load
        if load is None:
            raise TypeError(f"another step needs {step}, but {step} has no load")
        return await load(connection, ids)

    # -- one record through its steps -----------------------------------------------------------

    async def _carry(self, item: _Item) -> None:
        current_owner.set(item.owner_id)  # of this task, and those it starts
        if item.suspect:
            await self._carry_alone(item)
        else:
            await self._take_steps(item)
        self.report.records += 1
        self.finished.append(item.record_id)
        self._looked_at(item.partition)
        self._free(1)

    async def _carry_alone(self, item: _Item) -> None:
        """Carry a record that was there when runs died: one such at a time.

        Only now the ledger says that we have it, so that if it kills this run too, those which
        were merely near it are not blamed.
        """
        async with self.one_suspect:
            async with self.pool.connection() as connection:
                await self._mark_running(connection, [item])
            await self._take_steps(item)

    async def _take_steps(self, item: _Item) -> None:
        if any(self._paid(step) for step in item.likely):
            await item.account.turn()
        tasks: dict[str, asyncio.Task[Outcome | None]] = {}
        self.writer.in_work += 1
        async with asyncio.TaskGroup() as group:
            for step in self.steps:
                needs = {name: tasks[name] for name in step.needs if name in tasks}
                tasks[step.name] = group.create_task(self._take(step, item, needs))
        self.writer.in_work -= 1
        await self.writer.written(item.record_id)

    async def _take(
        self, step: Step, item: _Item, needs: Mapping[str, asyncio.Task[Outcome | None]]
    ) -> Outcome | None:
        """Bring one step of one record to its outcome; None if it was up to date."""
        outcomes = {name: outcome for name, task in needs.items() if (outcome := await task)}
        made = {name for name, outcome in outcomes.items() if outcome.status == "succeeded"}
        if self._nothing_to_do(step, item, fresh=made):
            self._leave(step, item)
            return None
        outcome = (
            self._waiting(step, item, outcomes)
            or self._crashed(step, item)
            or self._over_budget(step, item)
            or await self._make(step, item)
        )
        if outcome.usage:
            item.account.book(outcome.usage.cost)
        self._count(step, item, outcome)
        if outcome.result is not None:
            item.results[step.name] = None if outcome.nothing_reason else outcome.result
            item.remade[step.name] = outcome.output_fingerprint
        elif (entry := item.entries.get(step.name)) and entry.status == "succeeded":
            # The earlier result stands. If the remake failed it stays stale, so that the next
            # backfill tries again; if it was put off it is due then.
            outcome = replace(outcome, **_as_it_was(entry))
        if entry := item.entries.get(step.name):
            outcome = replace(outcome, asked=entry.asked)
        await self.writer.put(outcome)
        return outcome

    def _count(self, step: Step, item: _Item, outcome: Outcome) -> None:
        whole, part = self._counters(step, item)
        _count(whole, outcome)
        _count(part, outcome)
        if outcome.status == "failed" and whole.failed <= FAILURES_LOGGED:
            log.warning(
                "%s of record %s failed: %s: %s",
                step.name,
                item.record_id,
                outcome.error_type,
                outcome.error_message,
            )

    def _nothing_to_do(self, step: Step, item: _Item, *, fresh: Container[str]) -> bool:
        """Whether the step is up to date, or held, or not asked for.

        A run that a sensor asked for takes what is due. It leaves stale results alone, so that a
        new prompt is not paid for on a whole history unasked, except where this very run made
        anew (`fresh`) what they are made from.
        """
        entry = item.entries.get(step.name)
        touched = any(need in fresh for need in step.needs)
        if item.held(step):
            return True
        if entry is not None and entry.due:
            return False
        if self.spec.mode == "due" and not touched:
            return True
        if entry is None or entry.status != "succeeded" or self.spec.redo:
            return False
        return entry.input_fingerprint == self._input(step, item)

    def _input(self, step: Step, item: _Item) -> str:
        """Fingerprint of what the step would be made from and by."""
        return fingerprint(
            step.formerly or step.name,
            step.version,
            [self.models.get(role) for role in step.roles],
            item.source.content_hash,
            [item.output(need) for need in step.needs],
        )

    def _waiting(self, step: Step, item: _Item, outcomes: Mapping[str, Outcome]) -> Outcome | None:
        """The outcome of a step that needs a result which is not there."""
        made = {name for name, outcome in outcomes.items() if outcome.status == "succeeded"}
        lacking = item.blocked(step, made)
        if lacking is None:
            return None
        need = outcomes.get(lacking)
        unpaid = need is not None and need.error_type == ledger.OVER_BUDGET
        return Outcome(
            item.record_id,
            item.owner_id,
            step.name,
            "pending",
            due_at=need.due_at if need else None,
            error_type=ledger.OVER_BUDGET if unpaid else "Waiting",
            error_message=f"waits for {lacking}",
        )

    def _crashed(self, step: Step, item: _Item) -> Outcome | None:
        """The outcome of a record that kills every run that touches it."""
        entry = item.entries.get(step.name)
        if entry is None or entry.died < ledger.CRASHES_ALLOWED:
            return None
        return Outcome(
            item.record_id,
            item.owner_id,
            step.name,
            "failed",
            error_type="Crashed",
            error_message=f"{entry.died} runs died while they worked on this record: see the end "
            f"of their logs, then `keepsake retry --record {item.record_id}`",
        )

    def _paid(self, step: Step) -> bool:
        """Whether the step may cost something."""
        return not self.billing.paid_roles.isdisjoint(step.roles)

    def _account(self, terms: Terms) -> Account:
        """The account of an owner, brought up to date."""
        account = self.accounts.setdefault(terms.owner_id, Account(terms))
        account.learn(terms)
        return account

    def _over_budget(self, step: Step, item: _Item) -> Outcome | None:
        """The outcome of a paid step whose owner has spent this month's budget."""
        account = item.account
        if not self._paid(step) or not account.is_spent:
            return None
        return Outcome(
            item.record_id,
            item.owner_id,
            step.name,
            "pending",
            due_at=account.terms.renews_at,
            error_type=ledger.OVER_BUDGET,
            error_message=f"the owner's budget of USD {account.budget:.2f} for this month is spent:"
            " it goes on next month, or when the budget is raised with `keepsake owner --budget`",
        )

    async def _make(self, step: Step, item: _Item) -> Outcome:
        """Make a step's result, in up to three attempts. The one place that retries."""
        in_flight = self.report.in_flight[step.name]
        current_in_flight.set(in_flight)  # of this step's task, and those it starts
        in_flight.under_way += 1
        try:
            return await self._attempt(step, item)
        finally:
            in_flight.under_way -= 1

    async def _attempt(self, step: Step, item: _Item) -> Outcome:
        entry = item.entries.get(step.name)
        started = time.monotonic()
        attempts = 0
        with metered(self.billing.price) as usage:
            while True:
                try:
                    inputs = [await self._result(need, item) for need in step.needs]
                    result = await step.make(item.source, *inputs, self.tools)
                    ending = _succeeded(step, result, self._input(step, item))
                except Exception as caught:
                    error = _blamed(caught)
                    attempts += not isinstance(error, EndpointDown)
                    delay = _delay(error, attempts)
                    if delay is not None:
                        await asyncio.sleep(delay)
                        continue
                    _log_bug(step, item, error)
                    ending = _ended_by(error, entry.deferrals if entry else 0)
                else:
                    attempts += 1
                return Outcome(
                    item.record_id,
                    item.owner_id,
                    step.name,
                    attempts=attempts,
                    usage=usage,
                    seconds=time.monotonic() - started,
                    **ending,
                )

    async def _result(self, need: str, item: _Item) -> Any:
        """The result of a need; None if there was nothing to make."""
        if need not in item.results and item.output(need) is None:
            return None
        if need not in item.results:
            async with self.pool.connection() as connection:
                stored = await self._stored(connection, need, [item.record_id])
            item.results[need] = stored[item.record_id]
        return item.results[need]


def _blamed(error: Exception) -> Exception:
    """A database that does not answer is no record's fault, and no fault of ours."""
    if isinstance(error, psycopg.OperationalError):
        return EndpointDown("the database does not answer", role="database")
    return error


def _delay(error: Exception, attempts: int) -> float | None:
    """Seconds before the next attempt: from 1 doubling up to 10, with jitter. None: no next one.

    A provider that asks for more patience than a run should have gets it from the ledger instead.
    """
    if not isinstance(error, RetryableError) or attempts >= ATTEMPTS:
        return None
    delay = FIRST_DELAY * 2 ** (attempts - 1) * random.uniform(1.0, 2.0)  # noqa: S311
    delay = max(min(LONGEST_DELAY, delay), error.retry_after or 0.0)
    return delay if delay <= LONGEST_PATIENCE else None


def _succeeded(step: Step, result: Any, input_fingerprint: str) -> dict[str, Any]:
    reason = step.nothing(result)
    return {
        "status": "succeeded",
        "result": result,
        "nothing_reason": reason,
        "input_fingerprint": input_fingerprint,
        "output_fingerprint": fingerprint(step.output_key(result)) if reason is None else None,
    }


def _ended_by(error: Exception, deferrals: int) -> dict[str, Any]:
    """Failed for good, or put off: 1 minute doubling up to 30 while an endpoint cannot take it."""
    ending = {"error_type": type(error).__name__, "error_message": _message(error)}
    patience = min(getattr(error, "retry_after", None) or 0.0, MOST_ASKED)
    not_its_fault = isinstance(error, EndpointDown | RateLimited | Unreachable)
    put_off = not_its_fault or (patience > LONGEST_PATIENCE and deferrals < LONG_WAITS)
    if not put_off:
        return {**ending, "status": "failed"}
    wait = min(LONGEST_DEFERRAL, FIRST_DEFERRAL * 2 ** min(deferrals, 10))
    if isinstance(error, RateLimited) and patience:
        wait = timedelta()  # who limits us says when to come back, and it is not getting worse
    due_at = datetime.now(UTC) + max(wait, timedelta(seconds=patience))
    return {**ending, "status": "pending", "due_at": due_at, "deferrals": deferrals + 1}


def _message(error: Exception) -> str:
    """What people read. The text of an error nobody foresaw may quote a person: leave it out."""
    if isinstance(error, StepError):
        return "".join(c if c.isprintable() else " " for c in str(error)[:1000])
    return "a fault of Keepsake itself: its place in the code is in the run's log, please report it"


def _log_bug(step: Step, item: _Item, error: Exception) -> None:
    if not isinstance(error, StepError):
        frames = "".join(traceback.format_tb(error.__traceback__))
        kind = type(error).__name__
        log.error("%s of record %s raised %s\n%s", step.name, item.record_id, kind, frames)


def _as_it_was(entry: Entry) -> dict[str, Any]:
    return {
        "status": "succeeded",
        "input_fingerprint": entry.input_fingerprint,
        "output_fingerprint": entry.output_fingerprint,
        "nothing_reason": entry.nothing_reason,
    }


def _count(report: StepReport, outcome: Outcome) -> None:
    if outcome.status == "succeeded":
        if outcome.nothing_reason is None:
            report.made += 1
            _sample(report.made_ids, outcome.record_id)
        else:
            report.nothing += 1
    elif outcome.status == "failed":
        report.failed += 1
        _sample(report.failed_ids, outcome.record_id)
    elif outcome.error_type == "Waiting":
        report.waiting += 1
    elif outcome.error_type == ledger.OVER_BUDGET:
        report.over_budget += 1
    else:
        report.deferred += 1
        if outcome.error_type != RateLimited.__name__:  # then it is well, we are too fast
            report.down = outcome.error_message
    report.attempts += outcome.attempts
    report.seconds += outcome.seconds or 0.0
    if outcome.usage is not None:
        report.usage.merge(outcome.usage)


def _sample(ids: list[int], record_id: int) -> None:
    if len(ids) < SAMPLE:
        ids.append(record_id)
