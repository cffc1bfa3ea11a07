"""Making the result of one step of one record, in one attempt or a few.

The only place that retries; when is decided in `retry.py`.
"""

import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from keepsake.database import Pool
from keepsake.errors import EndpointDown, RetryableError, StepError
from keepsake.jobs.rows import JobLost
from keepsake.metrics.counts import counting
from keepsake.owners.usage import Billing, Usage, metered
from keepsake.pipeline.fingerprint import fingerprint
from keepsake.pipeline.ledger.rows import Attempt, AttemptOutcome, Outcome
from keepsake.pipeline.limits import InFlight, current_in_flight
from keepsake.pipeline.line import Line, Step
from keepsake.pipeline.loading import stored_results
from keepsake.pipeline.retry import RetryPolicy
from keepsake.pipeline.staleness import Staleness, WorkItem
from keepsake.traces.spans import Attributes, event, fail, note, span

log = logging.getLogger(__name__)


_OUTCOMES: Mapping[str, AttemptOutcome] = {
    "succeeded": "succeeded",
    "pending": "deferred",
    "failed": "failed",
}


class _Clock:
    """When an attempt began."""

    def __init__(self) -> None:
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()

    def attempt(
        self, number: int, outcome: AttemptOutcome, error: Exception | None, usage: Usage
    ) -> Attempt:
        """The attempt, which is over now."""
        return Attempt(
            number,
            self._started_at,
            time.monotonic() - self._started,
            outcome,
            error_type=None if error is None else type(error).__name__,
            retryable=None if error is None else _may_pass(error),
            usage=usage,
        )


class Maker:
    """Makes results for one run. `tools` is handed to every step."""

    def __init__(
        self,
        line: Line,
        tools: Any,
        pool: Pool,
        staleness: Staleness,
        billing: Billing,
        retry: RetryPolicy,
    ) -> None:
        self._line = line
        self._tools = tools
        self._pool = pool
        self._staleness = staleness
        self._billing = billing
        self._retry = retry

    async def make(self, step: Step, item: WorkItem, in_flight: InFlight) -> Outcome:
        """Make a step's result, and say how that ended. Its calls are counted in `in_flight`."""
        current_in_flight.set(in_flight)  # of this step's task, and those it starts
        in_flight.under_way += 1
        try:
            with (
                span(f"step {step.name}", self._traced(step, item)),
                counting(self._line.name) as counts,
            ):
                outcome = await self._attempt(step, item)
                _trace(outcome)
            return replace(outcome, counts=counts)
        finally:
            in_flight.under_way -= 1

    def _traced(self, step: Step, item: WorkItem) -> Attributes:
        return {
            "keepsake.line": self._line.name,
            "keepsake.step": step.name,
            "keepsake.record.id": item.record_id,
        }

    async def _attempt(self, step: Step, item: WorkItem) -> Outcome:
        started = time.monotonic()
        usage = Usage()
        history: list[Attempt] = []
        attempts = 0
        while True:
            clock = _Clock()
            with metered(self._billing.price) as used:
                ending, error = await self._one_attempt(step, item)
            usage.merge(used)
            attempts += not isinstance(error, EndpointDown)
            delay = None if error is None else self._retry.delay(error, attempts)
            if delay is None:
                break
            history.append(clock.attempt(len(history) + 1, "retried", error, used))
            await self._retry.sleep(delay)
        if error is not None:
            _log_bug(step, item, error)
            ending = self._given_up(step, item, error)
        outcome = _OUTCOMES[ending["status"]]
        history.append(clock.attempt(len(history) + 1, outcome, error, used))
        return Outcome(
            item.record_id,
            item.owner_id,
            step.name,
            attempts=attempts,
            history=history,
            usage=usage,
            seconds=time.monotonic() - started,
            **ending,
        )

    async def _one_attempt(
        self, step: Step, item: WorkItem
    ) -> tuple[dict[str, Any], Exception | None]:
        """What the attempt made, or the error that it raised."""
        try:
            return await self._made(step, item), None
        except JobLost:  # it stops the whole run, and is no fault of the record
            raise
        except Exception as error:
            return {}, _blamed(error)

    async def _made(self, step: Step, item: WorkItem) -> dict[str, Any]:
        inputs = [await self._input(need, item) for need in step.needs]
        result = await step.make(item.source, *inputs, self._tools)
        reason = step.nothing(result)
        return {
            "status": "succeeded",
            "result": result,
            "nothing_reason": reason,
            "input_fingerprint": self._staleness.input_fingerprint(step, item),
            "output_fingerprint": fingerprint(step.output_key(result)) if reason is None else None,
        }

    async def _input(self, need: str, item: WorkItem) -> Any:
        """The result of a need; None if there was nothing to make."""
        if need not in item.results and item.output(need) is None:
            return None
        if need not in item.results:
            async with self._pool.connection() as connection:
                stored = await stored_results(connection, self._line, need, [item.record_id])
            item.results[need] = stored[item.record_id]
        return item.results[need]

    def _given_up(self, step: Step, item: WorkItem, error: Exception) -> dict[str, Any]:
        """Put off, or failed for good."""
        entry = item.entries.get(step.name)
        deferrals = entry.deferrals if entry else 0
        ending = {"error_type": type(error).__name__, "error_message": _message(error)}
        due_at = self._retry.due_again(error, deferrals)
        if due_at is None:
            return {**ending, "status": "failed"}
        return {**ending, "status": "pending", "due_at": due_at, "deferrals": deferrals + 1}


def _trace(outcome: Outcome) -> None:
    """Add to the step's span how it ended, and what was retried on the way."""
    note(
        {"keepsake.attempts": len(outcome.history), "keepsake.outcome": outcome.history[-1].outcome}
    )
    if outcome.error_type is not None:
        fail(outcome.error_type)
    for attempt in outcome.history:
        if attempt.outcome == "retried" and attempt.error_type is not None:
            failed_at = attempt.started_at + timedelta(seconds=attempt.seconds)
            event(
                "retry",
                {"keepsake.attempt": attempt.number, "error.type": attempt.error_type},
                failed_at,
            )


def _may_pass(error: Exception) -> bool:
    return isinstance(error, RetryableError | EndpointDown)


def _blamed(error: Exception) -> Exception:
    """A database that does not answer is no fault of the record, nor of ours."""
    if isinstance(error, psycopg.OperationalError):
        return EndpointDown("the database does not answer", role="database")
    return error


def _message(error: Exception) -> str:
    """What people read. The text of an unforeseen error may quote a person: it is left out."""
    if isinstance(error, StepError):
        return "".join(c if c.isprintable() else " " for c in str(error)[:1000])
    return "a fault of Keepsake itself: its place in the code is in the run's log, please report it"


def _log_bug(step: Step, item: WorkItem, error: Exception) -> None:
    if not isinstance(error, StepError):
        frames = "".join(traceback.format_tb(error.__traceback__))
        kind = type(error).__name__
        log.error("%s of record %s raised %s\n%s", step.name, item.record_id, kind, frames)
