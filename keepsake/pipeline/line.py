"""What a line is: steps in order; what a run of it is asked to do, and what it reports.

A line is data plus one function a step, in `assets/`. How records flow through the steps is the
engine's (`keepsake/pipeline/engine.py`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from keepsake.database import AsyncConnection
from keepsake.owners.usage import Usage
from keepsake.pipeline.ledger import Window
from keepsake.pipeline.limits import InFlight

SAMPLE = 20  # ids of records that a report names

Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True)
class Nothing:
    """The result of a step that found nothing to make. `reason` holds no content."""

    reason: str


class Made(NamedTuple, Generic[Result_co]):
    """What a step has made of one record, on its way to `save`."""

    record_id: int
    owner_id: int
    result: Result_co


def _reason(result: Any) -> str | None:
    return result.reason if isinstance(result, Nothing) else None


@dataclass(frozen=True)
class Step:
    """One enrichment of a record.

    `make(source, *results of needs, tools)` returns the step's result, plain data; `save` stores
    many results inside the transaction that writes their ledger rows; `load` reads stored results
    back for the steps that need them. `version` changes when the same input would give another
    result; `roles` are the model roles whose model name makes a result stale when it changes;
    `output_key` is the part of a result that later steps are made from.

    A step may find nothing to make: then its result is `Nothing`, or one of its own for which
    `nothing` gives the reason (without content; None for any other result). `save` gets it like
    any other result, and takes away the rows of an earlier one. It has no row to load: steps that
    need it get None in its place.
    """

    name: str
    version: str
    make: Callable[..., Awaitable[Any]]
    save: Callable[[AsyncConnection, Sequence[Made[Any]]], Awaitable[None]]
    load: Callable[[AsyncConnection, Sequence[int]], Awaitable[Mapping[int, Any]]] | None = None
    needs: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    output_key: Callable[[Any], Any] = lambda result: result
    nothing: Callable[[Any], str | None] = _reason
    formerly: str = ""  # its name when the fingerprints of its results were first computed


@dataclass(frozen=True)
class Line:
    """The steps of a line in an order that respects their needs, and how to read its records.

    `load(connection, ids)` returns each record's source: what its steps are made from. A source
    has a `content_hash`.
    """

    name: str
    steps: tuple[Step, ...]
    load: Callable[[AsyncConnection, Sequence[int]], Awaitable[Mapping[int, Any]]]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for step in self.steps:
            if missing := set(step.needs) - seen:
                raise ValueError(f"step {step.name} stands before {sorted(missing)}")
            seen.add(step.name)

    def step(self, name: str) -> Step:
        """The step of that name."""
        return next(step for step in self.steps if step.name == name)


@dataclass(frozen=True)
class RunSpec:
    """What one run is to do.

    Attributes:
        window: the records it may work on.
        steps: the steps it may make.
        run_id: its name in the ledger.
        mode: `due`, as sensors ask: records with due work, at most `max_records` of them; `all`, as
            people ask: every record of the window, the failed and the stale ones too.
        max_records: how many records at most; None: all.
        redo: make what is up to date again as well.
        mark_due: steps outside this run that become due when a step they need succeeds.
        partitions: the first moments of the window's partitions, ascending; none: it is one.
    """

    window: Window
    steps: tuple[str, ...]
    run_id: str
    mode: Literal["due", "all"] = "all"
    max_records: int | None = None
    redo: bool = False
    mark_due: tuple[str, ...] = ()
    partitions: tuple[datetime, ...] = ()

    @property
    def starts(self) -> tuple[datetime, ...]:
        """The first moments of the partitions, at least one."""
        return self.partitions or (self.window.start,)


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
    expected: int = 0  # records to look at, counted when the run began
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
