"""How each step of a record went, in plain words: what its page says while and after it is made.

What was made is not here (`document.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from keepsake import lines
from keepsake.database import Connection
from keepsake.owners.costs import usd
from keepsake.pipeline.ledger.attempts import timeline
from keepsake.pipeline.ledger.rows import HOLD_REASONS, waiting_text
from keepsake.pipeline.ledger.states import record_steps

State = Literal["made", "nothing", "again", "working", "waiting", "held", "failed"]
SOON = timedelta(hours=1)
_OUTCOMES = {
    "succeeded": "succeeded",
    "retried": "tried again at once",
    "deferred": "put off",
    "failed": "given up",
}


@dataclass(frozen=True)
class Tried:
    """One attempt at a step: when, how long it took, how it ended, the type of its error."""

    started_at: datetime
    seconds: float
    outcome: str
    error: str | None
    run_id: str


@dataclass(frozen=True)
class StepShown:
    """A step of a record.

    Attributes:
        step: its name.
        state: `again` is made and to be made again, `nothing` succeeded with nothing to make.
        said: more about it: the error, what it waits for, why there is nothing to make.
        at: when it ended, or began if it is being made.
        cost: in US dollars, as people read it; None: it asked no model.
        run_id: of the run that had it last.
        soon: whether it is being made, or will be within the hour.
        tried: the attempts that are kept, in the order of time.
    """

    step: str
    state: State
    said: str
    at: datetime | None
    seconds: float | None
    models: Sequence[str]
    cost: str | None
    run_id: str | None
    soon: bool
    tried: Sequence[Tried]


@dataclass(frozen=True)
class Steps:
    """All steps of a record, in the order of its line. `cost` is that of all."""

    steps: Sequence[StepShown]
    cost: str | None

    @property
    def open(self) -> bool:
        """Whether a look a little later will show something else."""
        return any(step.soon for step in self.steps)

    @property
    def failed(self) -> bool:
        """Whether a step failed for good, until somebody retries it."""
        return any(step.state == "failed" for step in self.steps)

    @property
    def done(self) -> int:
        """How many need nothing more."""
        return sum(step.state in ("made", "nothing") for step in self.steps)


def read_steps(connection: Connection, owner_id: int, record_id: int, line: str) -> Steps:
    """The steps of a record of an owner, which is of this line."""
    tried: dict[str, list[Tried]] = {}
    for attempt in timeline(connection, owner_id, record_id):
        tried.setdefault(attempt["step"], []).append(_tried(attempt))
    order = step_order(line)
    rows = sorted(
        record_steps(connection, owner_id, record_id),
        key=lambda row: order.get(row["step"], len(order)),  # of those that are no more: the last
    )
    asked = [row for row in rows if row["calls"]]
    known = sum((row["cost"] or Decimal() for row in asked), Decimal())
    all_known = all(row["cost"] is not None for row in asked)
    return Steps(
        [_shown(row, tried.get(row["step"], [])) for row in rows],
        usd(known, known if all_known else None) if asked else None,
    )


def step_order(line: str) -> Mapping[str, int]:
    """The places of the steps in their line; none of a line that is not registered any more."""
    known = [module.load_line() for module in lines.LINES if module.name == line]
    return {step.name: at for each in known for at, step in enumerate(each.steps)}


def _tried(attempt: Mapping[str, Any]) -> Tried:
    return Tried(
        attempt["started_at"],
        attempt["seconds"],
        _OUTCOMES[attempt["outcome"]],
        attempt["error_type"],
        attempt["run_id"],
    )


def _shown(row: Mapping[str, Any], tried: Sequence[Tried]) -> StepShown:
    state = _state(row)
    cost = row["cost"]
    return StepShown(
        step=row["step"],
        state=state,
        said=_said(row, state),
        at=row["started_at"] if state == "working" else row["finished_at"],
        seconds=row["seconds"],
        models=row["models"],
        cost=usd(cost or Decimal(), cost) if row["calls"] else None,
        run_id=row["run_id"],
        soon=state == "working"
        or (bool(row["due_at"]) and row["due_at"] < datetime.now(UTC) + SOON),
        tried=tried,
    )


def _state(row: Mapping[str, Any]) -> State:
    if row["status"] == "succeeded":
        if row["due_at"]:
            return "again"
        return "made" if row["made"] else "nothing"
    if row["hold_reason"]:
        return "held"
    states: dict[str, State] = {"failed": "failed", "running": "working"}
    return states.get(row["status"], "waiting")


def _said(row: Mapping[str, Any], state: State) -> str:
    error = row["error_message"] or ""
    waits = waiting_text(row["wait_reason"], row["waits_for"]) or ""
    match state:
        case "nothing":
            return row["nothing_reason"] or ""
        case "held":
            return "; ".join(filter(None, (HOLD_REASONS[row["hold_reason"]], error)))
        case "failed":
            return error
        case "waiting" if row["due_at"] is None:
            return waits or error or "left to its schedule, or to a backfill"
        case "waiting" if row["due_at"] > datetime.now(UTC):
            again = f"again at {row['due_at'].astimezone(UTC):%H:%M} UTC"
            return "; ".join(filter(None, (waits or error, again)))
        case "waiting":
            return waits
    return ""
