"""What became of a run: counts by step, for the whole run and for each of its partitions."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from keepsake.errors import RateLimited
from keepsake.owners.usage import Usage
from keepsake.pipeline.ledger.rows import Outcome
from keepsake.pipeline.limits import InFlight
from keepsake.pipeline.line import Step

log = logging.getLogger(__name__)

SAMPLE = 20  # ids of records that a report names

OnPartition = Callable[[datetime, Mapping[str, "StepReport"]], None]


@dataclass
class StepReport:
    """What became of one step in a run, or in one partition of it. Counts are records."""

    made: int = 0
    nothing: int = 0  # done, and there was nothing to make
    up_to_date: int = 0
    failed: int = 0
    deferred: int = 0
    over_budget: int = 0
    waiting: int = 0
    held: int = 0
    attempts: int = 0
    seconds: float = (
        0.0  # of work, over all records: more than have passed, as they go side by side
    )
    usage: Usage = field(default_factory=Usage)
    down: str | None = None  # why its endpoint takes nothing, if it does not
    made_ids: list[int] = field(default_factory=list)  # the first few
    failed_ids: list[int] = field(default_factory=list)  # the first few

    def line(self, in_flight: InFlight) -> str:
        """What it comes to so far, and what is under way; empty if nothing is to be said."""
        counts = {
            "made": self.made,
            "nothing to make": self.nothing,
            "in progress": in_flight.under_way,
            "failed": self.failed,
            "deferred": self.deferred,
            "over budget": self.over_budget,
            "waiting": self.waiting,
        }
        said = [f"{count} {label}" for label, count in counts.items() if count]
        at = [
            f"{count} {doing} {role}"
            for doing, roles in (("calling", in_flight.calling), ("queued for", in_flight.queued))
            for role, count in sorted(roles.items())
            if count
        ]
        return ", ".join(said) + (f" ({', '.join(at)})" if at else "")


@dataclass
class Report:
    """What became of a run. It does not grow with the number of records."""

    steps: dict[str, StepReport]
    expected: int = 0  # records to check, counted when the run began
    records: int = 0
    busy: int = 0  # records left alone because another run holds them
    seconds: float = 0.0
    in_flight: dict[str, InFlight] = field(default_factory=dict)  # by step, what is under way

    def line(self) -> str:
        """One line for a log: counts only."""
        of = f"{self.records} of {max(self.expected, self.records)} records"
        return f"{of} in {self.seconds:.0f} s: {self.state()}"

    def state(self) -> str:
        """What has been made and is under way, without the time: the same while nothing moves."""
        idle = InFlight()
        lines = {n: s.line(self.in_flight.get(n, idle)) for n, s in self.steps.items()}
        said = [f"{name} {line}" for name, line in lines.items() if line]
        if self.busy:
            said.append(f"{self.busy} left to another run")
        if said:
            return "; ".join(said)
        return "everything is up to date" if self.records else "nothing has begun"


class Tally:
    """Counts what becomes of a run's records.

    `on_partition` is called once for each partition in which records were checked: as soon as all
    its records are done where their number is known (`left`), else in `complete_all`.
    """

    def __init__(
        self, steps: Sequence[Step], on_partition: OnPartition | None, *, failures_logged: int
    ) -> None:
        self.report = Report(
            {step.name: StepReport() for step in steps},
            in_flight={step.name: InFlight() for step in steps},
        )
        self.left: dict[datetime, int] = {}  # records still to be checked, by partition
        self._steps = steps
        self._partitions: dict[datetime, dict[str, StepReport]] = {}  # those that are not complete
        self._on_partition = on_partition
        self._failures_logged = failures_logged

    def count(self, step: Step, partition: datetime, outcome: Outcome) -> None:
        """Count how a step of a record ended. Failures are logged, the first ones of each step."""
        whole, part = self._reports(step, partition)
        _count(whole, outcome)
        _count(part, outcome)
        if outcome.status == "failed" and whole.failed <= self._failures_logged:
            log.warning(
                "%s of record %s failed: %s: %s",
                step.name,
                outcome.record_id,
                outcome.error_type,
                outcome.error_message,
            )

    def count_left_alone(self, step: Step, partition: datetime, *, held: bool) -> None:
        """Count a step of a record that is left as it is: held, or up to date."""
        for report in self._reports(step, partition):
            if held:
                report.held += 1
            else:
                report.up_to_date += 1

    def count_done(self, partition: datetime) -> None:
        """Count one more record of the partition as done with."""
        self._of(partition)
        if partition in self.left:
            self.left[partition] -= 1
            if not self.left[partition]:
                self._complete(partition)

    def complete_all(self) -> None:
        """Report the partitions that are left, and log how many failures were not logged."""
        for name, step in self.report.steps.items():
            if step.failed > self._failures_logged:
                more = step.failed - self._failures_logged
                log.warning("%s: %s more records failed", name, more)
        for partition in list(self._partitions):
            self._complete(partition)

    def _reports(self, step: Step, partition: datetime) -> tuple[StepReport, StepReport]:
        """Where a step of a record is counted: in the whole run, and in its partition."""
        return self.report.steps[step.name], self._of(partition)[step.name]

    def _of(self, partition: datetime) -> dict[str, StepReport]:
        if partition not in self._partitions:
            self._partitions[partition] = {step.name: StepReport() for step in self._steps}
        return self._partitions[partition]

    def _complete(self, partition: datetime) -> None:
        self.left.pop(partition, None)
        steps = self._partitions.pop(partition)
        if self._on_partition is not None:
            self._on_partition(partition, steps)


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
    elif outcome.wait_reason == "need":
        report.waiting += 1
    elif outcome.wait_reason == "budget":
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
