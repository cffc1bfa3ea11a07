"""Counting: increments gathered where the work is done, to be written with what it came to.

Who writes the outcome of a piece of work wraps it in `counting()`; the functions in between need
not carry the counts. Without a `counting()` around it, counting does nothing.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import NamedTuple

from keepsake.metrics.catalogue import METRICS, Kind

INF = "+Inf"
_UNKNOWN = "other"  # for a label whose value is empty


class Series(NamedTuple):
    """What one row of the totals counts. A histogram has a series a bucket, and one for the sum.

    Attributes:
        metric: name; with `_bucket` or `_sum` behind it for a histogram's.
        labels: values in the catalogue's order; of a bucket also its upper bound.
    """

    metric: str
    labels: tuple[str, ...]


class Counts:
    """Increments by series, and the last value that each bucket has seen."""

    def __init__(self, line: str = _UNKNOWN) -> None:
        self.line = line
        self.values: dict[Series, float] = {}
        self.seen: dict[Series, float] = {}

    def count(self, name: str, by: float = 1, /, **labels: str) -> None:
        """Add to a counter."""
        self._add(_counter(name, tuple(labels.items())), by)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add a value to a histogram."""
        histogram = _histogram(name, tuple(labels.items()))
        bucket = histogram.buckets[bisect_left(METRICS[name].buckets, value)]
        self._add(bucket, 1)
        self._add(histogram.sum, value)
        self.seen[bucket] = float(value)

    def merge(self, other: "Counts") -> None:
        """Add another's increments to these."""
        for series, value in other.values.items():
            self._add(series, value)
        self.seen.update(other.seen)

    def _add(self, series: Series, by: float) -> None:
        if by < 0:
            raise ValueError(f"{series.metric} cannot go back")
        self.values[series] = self.values.get(series, 0.0) + by


def merged(all_counts: Iterable[Counts]) -> Counts:
    """The sum of several."""
    total = Counts()
    for counts in all_counts:
        total.merge(counts)
    return total


def written(bound: float) -> str:
    """A bucket's upper bound, as its series has it: exact, and short."""
    return repr(bound).removesuffix(".0")


class _Histogram(NamedTuple):
    """The series of a histogram with some labels, the bucket of +Inf last."""

    buckets: tuple[Series, ...]
    sum: Series


# The same few series are counted over and over: they are checked and put together once.
@lru_cache(maxsize=4096)
def _counter(name: str, labels: tuple[tuple[str, str], ...]) -> Series:
    return Series(name, _values(name, "counter", dict(labels)))


@lru_cache(maxsize=4096)
def _histogram(name: str, labels: tuple[tuple[str, str], ...]) -> _Histogram:
    values = _values(name, "histogram", dict(labels))
    bounds = (*map(written, METRICS[name].buckets), INF)
    buckets = tuple(Series(f"{name}_bucket", (*values, bound)) for bound in bounds)
    return _Histogram(buckets, Series(f"{name}_sum", values))


def _values(name: str, kind: Kind, labels: Mapping[str, str]) -> tuple[str, ...]:
    metric = METRICS[name]
    if metric.kind != kind:
        raise ValueError(f"{name} is a {metric.kind}")
    if labels.keys() != set(metric.labels):
        raise ValueError(f"{name} has the labels {', '.join(metric.labels)}")
    return tuple(_printable(labels[label]) or _UNKNOWN for label in metric.labels)


def _printable(value: str) -> str:
    return "".join(c if c.isprintable() else " " for c in value)


_current: ContextVar[Counts | None] = ContextVar("counts", default=None)


@contextmanager
def counting(line: str = _UNKNOWN) -> Iterator[Counts]:
    """Gather what is counted inside the block, also in the tasks and threads it starts.

    Args:
        line: whose work it is: the label `line` of what is counted inside without one.
    """
    counts = Counts(line)
    token = _current.set(counts)
    try:
        yield counts
    finally:
        _current.reset(token)


def count(name: str, by: float = 1, /, **labels: str) -> None:
    """Add to a counter of the `counting()` in force; without one, do nothing."""
    if (counts := _current.get()) is not None:
        counts.count(name, by, **_with_line(name, labels, counts))


def observe(name: str, value: float, /, **labels: str) -> None:
    """Add a value to a histogram of the `counting()` in force; without one, do nothing."""
    if (counts := _current.get()) is not None:
        counts.observe(name, value, **_with_line(name, labels, counts))


def _with_line(name: str, labels: dict[str, str], counts: Counts) -> dict[str, str]:
    return {"line": counts.line, **labels} if "line" in METRICS[name].labels else labels


def merge(other: Counts) -> None:
    """Add another's increments to the `counting()` in force; without one, do nothing."""
    if (counts := _current.get()) is not None:
        counts.merge(other)
