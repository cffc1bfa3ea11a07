"""What a piece of work used of the models: counted where the call is made, read where it is billed.

A client calls `record(...)` after each answered call; the line wraps one attempt at a step in
`metered()`. The counter travels in a context variable, so it follows the work into tasks and
threads and the functions in between need not carry it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Usage:
    """Sums over the calls of one attempt. `models` keeps the order of first use."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    audio_seconds: float = 0.0
    characters: int = 0
    models: list[str] = field(default_factory=list)

    def add(self, other: "Usage") -> None:
        """Add another's sums to these."""
        self.calls += other.calls
        self.tokens_in += other.tokens_in
        self.tokens_out += other.tokens_out
        self.audio_seconds += other.audio_seconds
        self.characters += other.characters
        self.models += [model for model in other.models if model not in self.models]


_current: ContextVar[Usage | None] = ContextVar("usage", default=None)


@contextmanager
def metered() -> Iterator[Usage]:
    """Count every model call made inside the block, also in the tasks and threads it starts."""
    usage = Usage()
    token = _current.set(usage)
    try:
        yield usage
    finally:
        _current.reset(token)


def record(
    model: str,
    *,
    calls: int = 1,
    tokens_in: int = 0,
    tokens_out: int = 0,
    audio_seconds: float = 0.0,
    characters: int = 0,
) -> None:
    """Add one answered call to the counter in force; without one, do nothing."""
    usage = _current.get()
    if usage is not None:
        usage.add(Usage(calls, tokens_in, tokens_out, audio_seconds, characters, [model]))
