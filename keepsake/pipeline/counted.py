"""What a run adds to the totals: counted from outcomes, in the transaction that writes them."""

from collections.abc import Mapping, Sequence

from keepsake.metrics.counts import Counts
from keepsake.pipeline.ledger.rows import Attempt, Carried, Entry, Outcome


def counted(line: str, outcomes: Sequence[Outcome], ended: Mapping[int, str]) -> dict[int, Counts]:
    """The counts of some outcomes of a line, by owner.

    Args:
        line: its name.
        outcomes: new in the ledger.
        ended: the status of the records of which nothing is due any more.
    """
    by_owner: dict[int, Counts] = {}
    for outcome in outcomes:
        counts = by_owner.setdefault(outcome.owner_id, Counts())
        _count_outcome(counts, line, outcome)
        _count_attempts(counts, line, outcome)
        if outcome.counts is not None:
            counts.merge(outcome.counts)
        if outcome.earlier is not None and outcome.history:
            _count_delay(counts, line, outcome.earlier, outcome.history[0])
        if outcome.carried is not None and outcome.record_id in ended:
            _count_record(counts, line, ended[outcome.record_id], outcome.carried)
    return by_owner


def _count_record(counts: Counts, line: str, status: str, carried: Carried) -> None:
    labels = {"line": line, "status": status, "platform": carried.platform}
    counts.count("keepsake_records_total", **labels)
    counts.observe("keepsake_record_duration_seconds", carried.seconds, **labels)


def _count_delay(counts: Counts, line: str, earlier: Entry, first: Attempt) -> None:
    if earlier.due and earlier.due_at is not None:
        # Never below 0: the clock of the database may be ahead of ours.
        seconds = max(0.0, (first.started_at - earlier.due_at).total_seconds())
        counts.observe("keepsake_step_start_delay_seconds", seconds, line=line)


def _count_outcome(counts: Counts, line: str, outcome: Outcome) -> None:
    labels = {"line": line, "step": outcome.step, "status": _status(outcome)}
    counts.count("keepsake_steps_total", **labels)
    if outcome.seconds is not None:
        counts.observe("keepsake_step_duration_seconds", outcome.seconds, **labels)


def _status(outcome: Outcome) -> str:
    """How making it ended. The ledger may say `succeeded` of a failure: of an earlier result."""
    if outcome.wait_reason is not None:
        return "waiting"
    return outcome.history[-1].outcome if outcome.history else "failed"  # as a crash has none


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
