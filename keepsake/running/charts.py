"""Where the marks of a chart are: coordinates in an SVG of `WIDTH` by `HEIGHT`.

The template of the page draws them, so that colours and type follow the page, by day, by night and
on paper. Nothing here knows running.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from keepsake.text.round_numbers import round_numbers

WIDTH, HEIGHT = 360.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 356.0, 12.0, 166.0  # of the plot within
MOST_TICKS = 4


@dataclass(frozen=True)
class Tick:
    """A line across the chart at `y`, and its number."""

    y: float
    label: str


@dataclass(frozen=True)
class Bar:
    """A bar from `y` down to the foot of the plot."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class BarChart:
    """Bars, and a line over their middles as the `points` of an SVG polyline."""

    bars: tuple[Bar, ...]
    line: str
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class DotChart:
    """Dots at (x, y), and a line as the `points` of an SVG polyline."""

    dots: tuple[tuple[float, float], ...]
    line: str
    ticks: tuple[Tick, ...]


def bar_chart(values: Sequence[float], line: Sequence[float]) -> BarChart:
    """Bars for `values`, none below 0, and a line of as many values over them."""
    top = max(*values, *line, 1e-9)
    marks = round_numbers(0, top, most=MOST_TICKS)
    scale = _Scale(0, max(top, marks[-1]))
    step = (RIGHT - LEFT) / len(values)
    bars = tuple(
        Bar(
            x=_round(LEFT + at * step + step * 0.14),
            y=scale(value),
            width=_round(step * 0.72),
            height=_round(BOTTOM - scale(value)),
        )
        for at, value in enumerate(values)
    )
    middles = [(_round(LEFT + (at + 0.5) * step), scale(value)) for at, value in enumerate(line)]
    return BarChart(bars, _points(middles), _at(marks, scale))


def dot_chart(
    dots: Sequence[tuple[float, float]],
    line: Sequence[tuple[float, float]],
    start: float,
    end: float,
) -> DotChart:
    """Dots and a line, of (time, value) with times from `start` to `end`."""
    values = [value for _, value in (*dots, *line)]
    low, high = min(values), max(values)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    low, high = low - margin, high + margin
    scale = _Scale(low, high)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        time, value = point
        return _round(LEFT + (time - start) / (end - start) * (RIGHT - LEFT)), scale(value)

    marks = round_numbers(low, high, most=MOST_TICKS)
    return DotChart(tuple(map(place, dots)), _points(list(map(place, line))), _at(marks, scale))


@dataclass(frozen=True)
class _Scale:
    """From a value to its height in the plot."""

    low: float
    high: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return _round(BOTTOM - share * (BOTTOM - TOP))


def _at(marks: Sequence[float], scale: _Scale) -> tuple[Tick, ...]:
    return tuple(Tick(scale(mark), f"{mark:g}") for mark in marks)


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)


def _round(value: float) -> float:
    return round(value, 1)
