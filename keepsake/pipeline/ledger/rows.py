"""Rows of the ledger as a run reads and writes them. No SQL."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from keepsake.metrics.counts import Counts
from keepsake.owners.usage import Usage

Status = Literal["pending", "running", "succeeded", "failed"]
WaitReason = Literal["need", "budget"]
AttemptOutcome = Literal["succeeded", "retried", "deferred", "failed"]

CRASHES_ALLOWED = 3
HOLD_REASONS = {"tier": "beyond the tier", "off": "switched off"}  # what `hold_reason` means


@dataclass(frozen=True)
class Entry:
    """What the ledger knows of one step of one record when a run reads it.

    `asked` counts how often people asked for it to be made again.
    """

    record_id: int
    step: str
    status: Status
    due: bool
    due_at: datetime | None
    attempts: int
    deferrals: int
    crashes: int
    hold_reason: str | None
    input_fingerprint: str | None
    output_fingerprint: str | None
    nothing_reason: str | None
    asked: int

    @property
    def died(self) -> int:
        """Runs that died while they held this row: we hold its lock, so no other run has it."""
        return self.crashes + (self.status == "running")


@dataclass(frozen=True)
class Attempt:
    """One attempt at a step.

    Attributes:
        number: in its run, from 1.
        started_at: when it began.
        seconds: how long it took.
        outcome: what followed: `retried` means that the same run tried again.
        error_type: name of the error's type; None if it succeeded.
        retryable: whether the error may pass by itself; None if it succeeded.
        usage: the model calls in it.
    """

    number: int
    started_at: datetime
    seconds: float
    outcome: AttemptOutcome
    error_type: str | None
    retryable: bool | None
    usage: Usage


@dataclass(frozen=True)
class Carried:
    """A record of which this run makes nothing more.

    Attributes:
        platform: what metrics call the kind of thing that it came as.
        seconds: since the run took it.
    """

    platform: str
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """How one step of one record ended in this run: the row to write, and the result if any.

    `wait_reason` says why it was not made, `waits_for` which need has no result, if that is it.
    `attempts` counts those that are held against the step, `history` has all of them.
    `asked` is that of the entry the run began with: asked for again since then, the row stays due.
    `earlier` is that entry. `counts` is what was counted while it was made, `carried` is set in the
    last outcome of its record.
    """

    record_id: int
    owner_id: int
    step: str
    status: Status
    result: Any = None
    due_at: datetime | None = None
    attempts: int = 0
    deferrals: int = 0
    input_fingerprint: str | None = None
    output_fingerprint: str | None = None
    nothing_reason: str | None = None
    usage: Usage | None = None
    seconds: float | None = None
    wait_reason: WaitReason | None = None
    waits_for: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    asked: int = 0
    history: Sequence[Attempt] = ()
    earlier: Entry | None = None
    counts: Counts | None = None
    carried: Carried | None = None

    def over(self, entry: Entry) -> "Outcome":
        """The outcome as it is written over the row that was there."""
        outcome = replace(self, asked=entry.asked, earlier=entry)
        if self.result is not None or entry.status != "succeeded":
            return outcome
        # The earlier result stays. If making it again has failed it stays stale, so that the next
        # backfill tries again; if it was put off it is due then.
        return replace(
            outcome,
            status="succeeded",
            input_fingerprint=entry.input_fingerprint,
            output_fingerprint=entry.output_fingerprint,
            nothing_reason=entry.nothing_reason,
        )


def waiting_text(wait_reason: str | None, waits_for: str | None) -> str:
    """What a step waits for, as people read it; empty if it does not wait."""
    texts = [f"waits for {waits_for}"] if waits_for else []
    if wait_reason == "budget":
        texts.append(
            "the owner's budget for this month is spent: it goes on next month, or when the budget "
            "is raised with `keepsake owner --budget`"
        )
    return "; ".join(texts)
