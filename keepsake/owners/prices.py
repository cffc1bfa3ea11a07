"""What model calls cost: a dated table of prices, in USD.

`prices.csv` beside this file has the prices that providers publish, with where and when they were
read; PRICES_FILE names a file of your own in the same format, whose models win. A model that
neither has unknown costs: NULL, never 0.
"""

import csv
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

from keepsake.errors import SettingsError
from keepsake.owners.usage import Amounts, Billing
from keepsake.settings import ROLES, ModelSettings

log = logging.getLogger(__name__)
T = TypeVar("T")

TABLE = Path(__file__).with_name("prices.csv")
MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Rate:
    """A row of the table: what a model costs from a day on, for calls of a size.

    Attributes:
        model: its name, as calls are counted under it.
        starts_on: the first day (UTC) of this price; None: from ever.
        up_to_tokens: the largest input of a call that it holds for; None: any.
        input_usd, output_usd: for a million tokens; None: it has no such price.
        minute_usd: for a minute of transcribed audio.
        characters_usd: for a million characters spoken.
    """

    model: str
    starts_on: date | None
    up_to_tokens: int | None
    input_usd: Decimal | None
    output_usd: Decimal | None
    minute_usd: Decimal | None
    characters_usd: Decimal | None

    def cost(self, amounts: Amounts) -> Decimal | None:
        """What one call costs; None if it used what has no price, or its usage is unknown."""
        parts = (
            (Decimal(amounts.tokens_in), self.input_usd, MILLION),
            (Decimal(amounts.tokens_out), self.output_usd, MILLION),
            (Decimal(str(amounts.audio_seconds)), self.minute_usd, Decimal(60)),
            (Decimal(amounts.characters), self.characters_usd, MILLION),
        )
        if amounts.calls and not self.free and not any(amount for amount, _, _ in parts):
            return None
        total = Decimal(0)
        for amount, price, unit in parts:
            if amount and price is None:
                return None
            if price is not None:
                total += amount * price / unit
        return total

    @property
    def free(self) -> bool:
        """Whether it costs nothing, whatever is used."""
        prices = (self.input_usd, self.output_usd, self.minute_usd, self.characters_usd)
        return set(prices) - {None} == {0}


class Prices:
    """Prices by model and day. Warns once of each model that it was asked for in vain."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        self._rates: dict[str, list[Rate]] = {}
        for rate in rates:
            self._rates.setdefault(rate.model, []).append(rate)
        self._unknown: set[str] = set()

    def cost(self, model: str, amounts: Amounts, day: date | None = None) -> Decimal | None:
        """What one call costs on `day` (UTC; default: today); None if unknown."""
        rate = self._rate(model, amounts.tokens_in, day or datetime.now(UTC).date())
        cost = rate.cost(amounts) if rate else None
        if cost is None and model not in self._unknown:
            self._unknown.add(model)
            log.warning(
                "model %s has no price for what it was used for, or its endpoint does not say how "
                "much that was, so its costs are not known: see PRICES_FILE",
                model,
            )
        return cost

    def free(self, model: str) -> bool:
        """Whether the model is known to cost nothing."""
        return all(rate.free for rate in self._rates.get(model, ())) and model in self._rates

    def _rate(self, model: str, tokens_in: int, day: date) -> Rate | None:
        """The price that started last, for the smallest size of calls that holds this one."""
        started = [
            r for r in self._rates.get(model, ()) if r.starts_on is None or r.starts_on <= day
        ]
        if not started:
            return None
        last = max(rate.starts_on or date.min for rate in started)
        sizes = [
            rate
            for rate in started
            if (rate.starts_on or date.min) == last
            and (rate.up_to_tokens is None or tokens_in <= rate.up_to_tokens)
        ]
        return min(sizes, key=lambda rate: rate.up_to_tokens or 2**62, default=None)


def billing(settings: ModelSettings) -> Billing:
    """The prices of the models that the settings name.

    Raises:
        SettingsError: PRICES_FILE cannot be read. The message names the line.
    """
    prices = load_prices(settings.prices_file)
    paid = {role for role in ROLES if not prices.free(settings.endpoint(role).model)}
    return Billing(prices.cost, frozenset(paid))


def load_prices(own_file: str = "") -> Prices:
    """The published prices, and those of a file of one's own, whose models win.

    Raises:
        SettingsError: the file cannot be read. The message names the line.
    """
    own = read_rates(Path(own_file)) if own_file else []
    theirs = {rate.model for rate in own}
    return Prices([*own, *(rate for rate in read_rates(TABLE) if rate.model not in theirs)])


def read_rates(path: Path) -> list[Rate]:
    """The rows of a table of prices.

    Raises:
        SettingsError: it cannot be read. The message names the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            return [_rate(row) for row in rows]
    except OSError as error:
        raise SettingsError(f"PRICES_FILE: {path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"PRICES_FILE: {path} is not UTF-8 text: convert it") from None
    except (ValueError, csv.Error) as error:
        raise SettingsError(
            f"PRICES_FILE: line {rows.line_num} of {path.name} is no row of prices ({error}); "
            "keepsake/owners/prices.csv shows the format"
        ) from None


def _rate(row: Mapping[str, str | None]) -> Rate:
    def read(name: str, kind: Callable[[str], T], what: str) -> T | None:
        try:
            return kind(text) if (text := row.get(name)) else None
        except (ValueError, InvalidOperation):
            raise ValueError(f"its {name} is no {what}") from None

    def number(name: str) -> Decimal | None:
        price = read(name, Decimal, "number")
        if price is not None and not (price.is_finite() and price >= 0):
            raise ValueError(f"its {name} is {price}")
        return price

    model = (row.get("model") or "").strip()
    if not model:
        raise ValueError("it names no model")
    return Rate(
        model=model,
        starts_on=read("starts_on", date.fromisoformat, "day"),
        up_to_tokens=read("up_to_tokens", int, "whole number"),
        input_usd=number("input_usd"),
        output_usd=number("output_usd"),
        minute_usd=number("minute_usd"),
        characters_usd=number("characters_usd"),
    )
