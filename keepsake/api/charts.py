"""Charts of what was measured over time: where their marks are, and what each column says.

`chart.html.j2` draws them as SVG whose text keeps its size in a narrow window: places are percents,
and only the lines, in an SVG within, are stretched. What was not measured is a gap, never a zero.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise

from keepsake.text.round_numbers import round_numbers

TOP, FOOT = 14.0, 84.0  # of the plot, in percent of the chart's height
WIDE, HIGH = 1000, 100  # of the SVG that holds the lines
_MOST_TICKS = 3
_MOST_TIMES = 5
_EDGE = 8.0  # percent; a time nearer to the edge would be cut off
_DAY = timedelta(days=1)
_QUARTER = timedelta(minutes=15)
_HOURS = (1, 2, 3, 6, 12, 24, 48, 120, 240)  # between two times
_NOTHING = "–"


@dataclass(frozen=True)
class Buckets:
    """The spans of time that a chart is made of: each begins where the one before ends.

    Attributes:
        bounds: when the first begins, when each ends; in the zone whose times the chart shows.
    """

    bounds: Sequence[datetime]

    @property
    def since(self) -> datetime:
        """When the first begins."""
        return self.bounds[0]

    @property
    def are_days(self) -> bool:
        """Whether each is a day."""
        return self.bounds[1] - self.since >= _DAY

    def place(self, moment: datetime) -> float:
        """Where a moment is in the chart, in percent of its width."""
        return (moment - self.since) / (self.bounds[-1] - self.since) * 100

    def spans(self) -> Iterator[tuple[float, float]]:
        """From where to where each reaches, in percent."""
        return pairwise(map(self.place, self.bounds))


def evenly(since: datetime, every: timedelta, count: int) -> Buckets:
    """So many spans of the same length."""
    start = since.astimezone(UTC)
    return Buckets([(start + at * every).astimezone(since.tzinfo) for at in range(count + 1)])


@dataclass(frozen=True)
class Measured:
    """A figure by bucket; None: nothing was measured in that one.

    `look` is a class of the style sheet; without one its place among the figures decides.
    """

    name: str
    values: Sequence[float | None]
    look: str = ""


@dataclass(frozen=True)
class Tick:
    """A line across the chart, or a time below it, in percent, and what it says."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """A line as the `d` of an SVG path, and the values that have none beside them as dots."""

    path: str
    dots: str


@dataclass(frozen=True)
class Bar:
    """A bar, in percent, of the figure `of` (its place in the chart's `names`)."""

    x: float
    y: float
    width: float
    height: float
    of: int


@dataclass(frozen=True)
class Column:
    """What a bucket says: when it began and, of each figure, its value; '–': not measured.

    `day` is empty where the time is a day.
    """

    x: float
    width: float
    day: str
    time: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Chart:
    """A chart to draw.

    Attributes:
        names, looks: of the figures.
        lines: one for each figure; empty in a chart of bars.
        bars: empty in a chart of lines.
        ticks, times: beside it and below it.
        columns: what each bucket says.
    """

    names: tuple[str, ...]
    looks: tuple[str, ...]
    lines: tuple[Line, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    times: tuple[Tick, ...]
    columns: tuple[Column, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was measured."""
        return all(value == _NOTHING for column in self.columns for value in column.values)


def line_chart(
    buckets: Buckets, figures: Sequence[Measured], says: Callable[[float], str]
) -> Chart:
    """A line for each figure, through the middle of each bucket; none of the values below 0."""
    top, ticks = _axis(_highest(figures), says)
    lines = tuple(_line(buckets, figure.values, top) for figure in figures)
    return Chart(
        names=tuple(figure.name for figure in figures),
        looks=_looks(figures),
        lines=lines,
        bars=(),
        ticks=ticks,
        times=tuple(_times(buckets)),
        columns=tuple(_columns(buckets, figures, says)),
    )


def bar_chart(buckets: Buckets, figures: Sequence[Measured], says: Callable[[float], str]) -> Chart:
    """A bar for each bucket, in which the figures stand on each other, the first at the foot."""
    sums = [sum(value or 0 for value in values) for values in _by_bucket(figures)]
    top, ticks = _axis(max(sums, default=0), says)
    return Chart(
        names=tuple(figure.name for figure in figures),
        looks=_looks(figures),
        lines=(),
        bars=tuple(_bars(buckets, figures, top)),
        ticks=ticks,
        times=tuple(_times(buckets)),
        columns=tuple(_columns(buckets, figures, says)),
    )


def _looks(figures: Sequence[Measured]) -> tuple[str, ...]:
    return tuple(figure.look or f"s{place}" for place, figure in enumerate(figures, 1))


def _by_bucket(figures: Sequence[Measured]) -> Iterator[tuple[float | None, ...]]:
    return zip(*(figure.values for figure in figures), strict=True)


def _highest(figures: Sequence[Measured]) -> float:
    return max((value for figure in figures for value in figure.values if value), default=0)


def _axis(highest: float, says: Callable[[float], str]) -> tuple[float, tuple[Tick, ...]]:
    """What the upper end of the plot stands for, and the lines across it; the foot is 0."""
    marks = round_numbers(0, highest or 1, most=_MOST_TICKS)
    if marks[-1] < highest:
        marks.append(marks[-1] + marks[1])
    top = marks[-1]
    return top, tuple(Tick(_y(mark, top), says(mark)) for mark in marks)


def _y(value: float, top: float) -> float:
    return round(FOOT - value / top * (FOOT - TOP), 2)


def _line(buckets: Buckets, values: Sequence[float | None], top: float) -> Line:
    """A line that is broken where nothing was measured."""
    path: list[str] = []
    dots: list[str] = []
    places = zip(buckets.spans(), values, strict=True)
    for measured, run in groupby(places, key=lambda each: each[1] is not None):
        if measured:
            points = [
                f"{(start + end) / 200 * WIDE:.1f} {HIGH - (value or 0) / top * HIGH:.1f}"
                for (start, end), value in run
            ]
            if len(points) > 1:
                path.append("M" + "L".join(points))
            else:
                dots.append(f"M{points[0]}h.01")
    return Line("".join(path), "".join(dots))


def _bars(buckets: Buckets, figures: Sequence[Measured], top: float) -> Iterator[Bar]:
    for (start, end), values in zip(buckets.spans(), _by_bucket(figures), strict=True):
        x, width = start + 0.12 * (end - start), 0.76 * (end - start)
        below = 0.0
        for of, value in enumerate(values):
            if value:
                foot, below = below, below + value
                y = _y(below, top)
                yield Bar(round(x, 3), y, round(width, 3), round(_y(foot, top) - y, 2), of)


def _columns(
    buckets: Buckets, figures: Sequence[Measured], says: Callable[[float], str]
) -> Iterator[Column]:
    of_all = zip(buckets.bounds, buckets.spans(), _by_bucket(figures), strict=False)
    for begins, (start, end), values in of_all:
        yield Column(
            x=round(start, 3),
            width=round(end - start, 3),
            day="" if buckets.are_days else _day(begins),
            time=_day(begins) if buckets.are_days else f"{begins:%H:%M}",
            values=tuple(_NOTHING if value is None else says(value) for value in values),
        )


def _times(buckets: Buckets) -> Iterator[Tick]:
    """The round times that have room below the chart; of days, below the middle of each."""
    start, end = (moment.astimezone(UTC) for moment in (buckets.since, buckets.bounds[-1]))
    hours = next((h for h in _HOURS if (end - start) / timedelta(hours=h) <= _MOST_TIMES), 720)
    middle = _DAY / 2 if buckets.are_days else timedelta()
    moment = start + timedelta(seconds=-start.timestamp() % _QUARTER.total_seconds())
    while moment < end:
        local = moment.astimezone(buckets.since.tzinfo)
        at = buckets.place(moment + middle)
        if _is_round(local, hours) and _EDGE <= at <= 100 - _EDGE:
            yield Tick(round(at, 2), _day(local) if local.hour == 0 else f"{local:%H:%M}")
        moment += _QUARTER


def _is_round(local: datetime, hours: int) -> bool:
    return local.minute == 0 and (local.toordinal() * 24 + local.hour) % hours == 0


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b}"
