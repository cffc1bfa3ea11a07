"""What a piece of work used of the models: counted where the call is made, read where it is billed.

A client calls `record(...)` after each answered call; the line wraps one attempt at a step in
`metered()`. The counter travels in a context variable, so it follows the work into tasks and
threads and the functions in between need not carry it. What a call costs is not decided here: the
line says so (`keepsake/owners/prices.py`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal

from keepsake.metrics.counts import count


@dataclass
class Amounts:
    """Sums over calls. `cost` is in USD, None as soon as the price of one call is not known."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    audio_seconds: float = 0.0
    characters: int = 0
    cost: Decimal | None = Decimal(0)

    def add(self, other: "Amounts") -> None:
        """Add another's sums to these."""
        self.calls += other.calls
        self.tokens_in += other.tokens_in
        self.tokens_out += other.tokens_out
        self.audio_seconds += other.audio_seconds
        self.characters += other.characters
        known = self.cost is not None and other.cost is not None
        self.cost = self.cost + other.cost if known else None  # type: ignore[operator]


@dataclass
class Usage(Amounts):
    """Sums over the calls of one attempt, and those of each model, in the order of first use."""

    by_model: dict[str, Amounts] = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        """The models that were used."""
        return list(self.by_model)

    def count(self, model: str, amounts: Amounts) -> None:
        """Add a call's amounts."""
        self.add(amounts)
        self.by_model.setdefault(model, Amounts()).add(amounts)

    def merge(self, other: "Usage") -> None:
        """Add another's sums to these, model by model."""
        for model, amounts in other.by_model.items():
            self.count(model, amounts)


Price = Callable[[str, Amounts], Decimal | None]


def unpriced(model: str, amounts: Amounts) -> Decimal | None:
    """The price of a call where prices are unknown."""
    return None


@dataclass(frozen=True)
class Billing:
    """What one call costs, and the model roles whose models may cost something."""

    price: Price
    paid_roles: frozenset[str]


# Where prices are unknown, every model may cost something.
UNPRICED = Billing(unpriced, frozenset({"chat", "embeddings", "transcription", "speech"}))


@dataclass(frozen=True)
class _Meter:
    usage: Usage
    price: Price


_current: ContextVar[_Meter | None] = ContextVar("usage", default=None)


@contextmanager
def metered(price: Price = unpriced) -> Iterator[Usage]:
    """Count every model call made inside the block, also in the tasks and threads it starts.

    `price` says what one call costs, in USD.
    """
    usage = Usage()
    token = _current.set(_Meter(usage, price))
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
    meter = _current.get()
    if meter is not None:
        amounts = Amounts(calls, tokens_in, tokens_out, audio_seconds, characters)
        amounts.cost = meter.price(model, amounts)
        meter.usage.count(model, amounts)
        _count(model, amounts)


def _count(model: str, amounts: Amounts) -> None:
    counted = {
        "keepsake_model_calls_total": amounts.calls,
        "keepsake_model_audio_seconds_total": amounts.audio_seconds,
        "keepsake_model_characters_total": amounts.characters,
        "keepsake_model_cost_usd_total": float(amounts.cost or 0),
        "keepsake_model_unpriced_calls_total": amounts.calls if amounts.cost is None else 0,
    }
    for name, by in counted.items():
        if by:
            count(name, by, model=model)
    for direction, tokens in (("input", amounts.tokens_in), ("output", amounts.tokens_out)):
        if tokens:
            count("keepsake_model_tokens_total", tokens, model=model, direction=direction)
