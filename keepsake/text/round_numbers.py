"""Round numbers, such as those beside a chart."""

import math


def round_numbers(low: float, high: float, *, most: int) -> list[float]:
    """Up to `most` and one round numbers from `low` to `high`, in steps of 1, 2 or 5."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(at * step, 10) for at in range(first, last + 1)]
