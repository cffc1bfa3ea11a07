"""What a run adds to the totals: counted from outcomes, in the transaction that writes them."""

from collections.abc import Sequence

from keepsake.metrics.counts import Counts
from keepsake.pipeline.ledger.rows import Outcome

_STATUSES = {"succeeded": "succeeded", "failed": "failed"}


def counted(line: str, outcomes: Sequence[Outcome]) -> Counts:
    """The counts of some outcomes of a line, those of their attempts included."""
    counts = Counts()
    for outcome in outcomes:
        _count_outcome(counts, line, outcome)
        _count_attempts(counts, line, outcome)
    return counts


def _count_outcome(counts: Counts, line: str, outcome: Outcome) -> None:
    waits = outcome.wait_reason is not None
    status = "waiting" if waits else _STATUSES.get(outcome.status, "deferred")
    counts.count("keepsake_steps_total", line=line, step=outcome.step, status=status)
    if outcome.seconds is not None:
        counts.observe(
            "keepsake_step_duration_seconds",
            outcome.seconds,
            line=line,
            step=outcome.step,
            status=status,
        )


def _count_attempts(counts: Counts, line: str, outcome: Outcome) -> None:
    for attempt in outcome.history:
        if attempt.error_type is None:
            continue
        counts.count(
            "keepsake_step_errors_total",
            line=line,
            step=outcome.step,
            error_type=attempt.error_type,
            retryable=str(bool(attempt.retryable)).lower(),
        )
        if attempt.outcome == "retried":
            counts.count(
                "keepsake_step_retries_total",
                line=line,
                step=outcome.step,
                error_type=attempt.error_type,
            )
