"""What is to be done to a record: which of its steps are stale, blocked, or not to be made now.

Nothing here reads the database or makes anything.
"""

import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keepsake.owners.pacing import Pacing
from keepsake.owners.usage import Billing
from keepsake.pipeline.fingerprint import fingerprint
from keepsake.pipeline.ledger.rows import CRASHES_ALLOWED, Entry, Outcome
from keepsake.pipeline.line import Step
from keepsake.pipeline.spec import RunSpec


@dataclass
class WorkItem:
    """One record in memory.

    Attributes:
        record_id: the record.
        source: what its steps are made from.
        entries: its ledger rows by step, as they were when it was read.
        pacing: its owner's.
        partition: the first moment of its partition.
        planned: the steps that will be made, as far as can be known before any is.
        results: results of its steps that are in memory.
        remade: output fingerprints of what this run has made.
        in_work: how many steps are being made.
        ended: the steps that were made, or put off.
        made: those of them that have a result.
        taken: when the run took it, by the monotonic clock.
    """

    record_id: int
    source: Any
    entries: Mapping[str, Entry]
    pacing: Pacing
    partition: datetime
    planned: list[Step] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    remade: dict[str, str | None] = field(default_factory=dict)
    in_work: int = 0
    ended: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    taken: float = field(default_factory=time.monotonic)

    @property
    def owner_id(self) -> int:
        """Whose record it is."""
        return self.pacing.limits.owner_id

    def is_held(self, step: Step) -> bool:
        """Whether the step must not be made."""
        entry = self.entries.get(step.name)
        return entry is not None and entry.hold_reason is not None

    @property
    def is_suspect(self) -> bool:
        """Whether one more run that dies with this record would be blamed on it."""
        return any(entry.died >= CRASHES_ALLOWED - 1 for entry in self.entries.values())

    def output(self, step: str) -> str | None:
        """Fingerprint of the step's result as it is now."""
        entry = self.entries.get(step)
        return self.remade.get(step, entry.output_fingerprint if entry else None)

    def missing_need(self, step: Step, made: Container[str]) -> str | None:
        """The first need of `step` that has no result and is not `made` in this run."""
        for need in step.needs:
            entry = self.entries.get(need)
            if need not in made and (entry is None or entry.status != "succeeded"):
                return need
        return None


class Staleness:
    """Decides for one run which steps of its records are made.

    Args:
        steps: those of the run, in order.
        spec: what the run is to do.
        models: the model in force for each role.
        billing: which roles may cost something.
    """

    def __init__(
        self, steps: Sequence[Step], spec: RunSpec, models: Mapping[str, str], billing: Billing
    ) -> None:
        self.steps = steps
        self._spec = spec
        self._models = models
        self._billing = billing

    def planned(self, item: WorkItem) -> list[Step]:
        """The steps that will be made, as far as can be known before any is."""
        planned: dict[str, Step] = {}
        for step in self.steps:
            made = set(planned)
            if self.is_to_make(step, item, made=made) and not item.missing_need(step, made):
                planned[step.name] = step
        return list(planned.values())

    def is_settled(self, item: WorkItem) -> bool:
        """Whether no step is to be made."""
        return not any(self.is_to_make(step, item, made=()) for step in self.steps)

    def is_carried(self, item: WorkItem) -> bool:
        """Whether nothing more of a record is made, now that some of its steps have ended."""
        return not item.in_work and not any(
            self.is_to_make(step, item, made=item.made)
            for step in self.steps
            if step.name not in item.ended
        )

    def is_to_make(self, step: Step, item: WorkItem, *, made: Container[str]) -> bool:
        """Whether the step is not held, and due, stale or without a result.

        A run that a sensor asked for makes what is due. It leaves stale results alone, so that a
        new prompt is not paid for on a whole history unasked, except where this very run has
        `made` again what they are made from.
        """
        if item.is_held(step):
            return False
        entry = item.entries.get(step.name)
        if entry is not None and entry.due:
            return True
        if self._spec.mode == "due" and not any(need in made for need in step.needs):
            return False
        if entry is None or entry.status != "succeeded" or self._spec.redo:
            return True
        return entry.input_fingerprint != self.input_fingerprint(step, item)

    def input_fingerprint(self, step: Step, item: WorkItem) -> str:
        """Fingerprint of what the step would be made from and by."""
        return fingerprint(
            step.formerly or step.name,
            step.version,
            [self._models.get(role) for role in step.roles],
            item.source.content_hash,
            [item.output(need) for need in step.needs],
        )

    def is_paid(self, step: Step) -> bool:
        """Whether the step may cost something."""
        return not self._billing.paid_roles.isdisjoint(step.roles)

    def not_now(self, step: Step, item: WorkItem, needs: Mapping[str, Outcome]) -> Outcome | None:
        """How a step ends that is to be made but cannot be now; None: it can.

        Args:
            step: the step.
            item: the record.
            needs: how its needs ended in this run.
        """
        return (
            self._waiting(step, item, needs)
            or self._crashed(step, item)
            or self._over_budget(step, item)
        )

    def _waiting(self, step: Step, item: WorkItem, needs: Mapping[str, Outcome]) -> Outcome | None:
        made = {name for name, outcome in needs.items() if outcome.status == "succeeded"}
        missing = item.missing_need(step, made)
        if missing is None:
            return None
        need = needs.get(missing)
        unpaid = need is not None and need.wait_reason == "budget"
        return Outcome(
            item.record_id,
            item.owner_id,
            step.name,
            "pending",
            due_at=need.due_at if need else None,
            wait_reason="budget" if unpaid else "need",
            waits_for=missing,
        )

    def _crashed(self, step: Step, item: WorkItem) -> Outcome | None:
        entry = item.entries.get(step.name)
        if entry is None or entry.died < CRASHES_ALLOWED:
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

    def _over_budget(self, step: Step, item: WorkItem) -> Outcome | None:
        if not self.is_paid(step) or not item.pacing.is_spent:
            return None
        return Outcome(
            item.record_id,
            item.owner_id,
            step.name,
            "pending",
            due_at=item.pacing.limits.renews_at,
            wait_reason="budget",
        )
