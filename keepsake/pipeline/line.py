"""What a line is: its steps in order, and how its records are read.

A line is data plus one function a step, which is in the line's folder. How records flow through the
steps is the engine's (`run.py`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from keepsake.database import AsyncConnection

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
    has a `content_hash`. `platform(source)` is what metrics call the kind of thing it came as: one
    of a few words.
    """

    name: str
    steps: tuple[Step, ...]
    load: Callable[[AsyncConnection, Sequence[int]], Awaitable[Mapping[int, Any]]]
    platform: Callable[[Any], str] = lambda source: "other"

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for step in self.steps:
            if missing := set(step.needs) - seen:
                raise ValueError(f"step {step.name} comes before {sorted(missing)}")
            seen.add(step.name)

    def step(self, name: str) -> Step:
        """The step of that name."""
        return next(step for step in self.steps if step.name == name)

    def following(self, name: str) -> tuple[str, ...]:
        """The step of that name and those that are made from its result, in order."""
        found = {name}
        for step in self.steps:
            if not found.isdisjoint(step.needs):
                found.add(step.name)
        return tuple(step.name for step in self.steps if step.name in found)
