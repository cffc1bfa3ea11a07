"""Windows: what was counted from one moment to another, of one owner or of the whole system.

Of the whole system it is the difference between two snapshots of the totals, or between now and a
snapshot; of an owner, the sum of its rows. Both say which bounds they really have.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise

from keepsake.database import AsyncConnection
from keepsake.metrics.catalogue import METRICS
from keepsake.metrics.counts import Series
from keepsake.metrics.totals import SEPARATOR

FINEST = timedelta(minutes=5)  # in which an owner's figures are kept

Values = Mapping[Series, float]


@dataclass(frozen=True)
class Histogram:
    """How many observations each bucket has, by its upper bound, and the sum of them all."""

    buckets: Mapping[float, float]
    sum: float

    @property
    def count(self) -> int:
        """How many observations there are."""
        return round(sum(self.buckets.values()))

    @property
    def average(self) -> float | None:
        """None over nothing."""
        return self.sum / self.count if self.count else None


@dataclass(frozen=True)
class Window:
    """What was counted in a time.

    Attributes:
        since: from when it really counts: not before counting began.
        until: until when.
        values: by series, as `metric_totals` names them.
    """

    since: datetime
    until: datetime
    values: Values

    @property
    def minutes(self) -> float:
        """How long it is; at least a second."""
        return max((self.until - self.since).total_seconds(), 1.0) / 60

    def total(self, name: str, **labels: str) -> float:
        """The sum of a counter, or of a histogram's `_sum`, over the series with these labels."""
        return sum(value for of, value in self.select(name) if labels.items() <= of.items())

    def select(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Labels and value of each series of a counter, or of a part of a histogram."""
        labels = _labels(name)
        for series in self._by_name.get(name, ()):
            yield dict(zip(labels, series.labels, strict=True)), self.values[series]

    def histograms(self, metric: str, *by: str) -> dict[tuple[str, ...], Histogram]:
        """A histogram's sums over all series that have the same values of the labels `by`."""
        bounds = (*METRICS[metric].buckets, float("inf"))
        buckets: dict[tuple[str, ...], dict[float, float]] = {}
        for labels, value in self.select(f"{metric}_bucket"):
            of = buckets.setdefault(tuple(labels[name] for name in by), dict.fromkeys(bounds, 0.0))
            bound = float(labels["le"])
            of[bound] = of.get(bound, 0.0) + value
        sums: dict[tuple[str, ...], float] = {}
        for labels, value in self.select(f"{metric}_sum"):
            key = tuple(labels[name] for name in by)
            sums[key] = sums.get(key, 0.0) + value
        return {key: Histogram(of, sums.get(key, 0.0)) for key, of in buckets.items()}

    @cached_property
    def _by_name(self) -> Mapping[str, list[Series]]:
        found: dict[str, list[Series]] = {}
        for series in self.values:
            found.setdefault(series.metric, []).append(series)
        return found


def _labels(name: str) -> tuple[str, ...]:
    """The labels of a counter, or of a part of a histogram."""
    if name in METRICS:
        return METRICS[name].labels
    metric, _, part = name.rpartition("_")
    return METRICS[metric].labels + (("le",) if part == "bucket" else ())


async def window(
    connection: AsyncConnection,
    since: datetime,
    names: Collection[str],
    *,
    owner_id: int | None,
) -> Window:
    """What was counted from a moment until now.

    Args:
        connection: for an owner, in a transaction of the owner.
        since: from when on. Of the system it is the snapshot nearest to it, of an owner the five
            minutes, or later the hour, that begin then.
        names: of counters and histograms; of a part of a histogram with `_bucket` or `_sum`.
        owner_id: whose; None: of the whole system.
    """
    (found,) = await windows_since(connection, [since], names, owner_id=owner_id)
    return found


async def windows_since(
    connection: AsyncConnection,
    sinces: Sequence[datetime],
    names: Collection[str],
    *,
    owner_id: int | None,
) -> list[Window]:
    """The same for several beginnings, at the price of the earliest."""
    stored = _stored(names)
    now, began = await _now_and_beginning(connection)
    if owner_id is None:
        totals = await _totals_now(connection, now, stored)
        return [
            (await _totals_near(connection, since, began, stored)).until(totals) for since in sinces
        ]
    bounds = sorted(sinces)
    parts = await _parts(connection, owner_id, bounds, stored)
    return [Window(max(since, began), now, _sum(parts[bounds.index(since) :])) for since in sinces]


async def windows(
    connection: AsyncConnection,
    since: datetime,
    every: timedelta,
    names: Collection[str],
    *,
    owner_id: int | None,
) -> list[Window]:
    """What was counted until now in steps, in order: each begins where the one before ends.

    Args:
        connection: as above.
        since: from when on.
        every: how long each is, `FINEST` or a multiple of it. Where snapshots are missing, windows
            of the system are longer.
        names: as above.
        owner_id: as above.
    """
    stored = _stored(names)
    now, began = await _now_and_beginning(connection)
    if owner_id is None:
        bounds = await _snapshots(connection, since, every, began, stored)
        bounds.append(await _totals_now(connection, now, stored))
        return [one.until(following) for one, following in pairwise(bounds)]
    steps = list(_steps(since, now, every))
    parts = await _parts(connection, owner_id, steps, stored)
    return [
        Window(at, min(at + every, now), values)
        for at, values in zip(steps, parts, strict=True)
        if at + every > began
    ]


def _steps(since: datetime, until: datetime, every: timedelta) -> Iterator[datetime]:
    while since < until:
        yield since
        since += every


def _stored(names: Collection[str]) -> list[str]:
    """The names under which values are stored: of a histogram those of its parts."""
    return [
        part
        for name in names
        for part in (
            (f"{name}_bucket", f"{name}_sum")
            if name in METRICS and METRICS[name].kind == "histogram"
            else (name,)
        )
    ]


def _series(metric: str, labels: str) -> Series:
    return Series(metric, tuple(labels.split(SEPARATOR)) if labels else ())


def _sum(parts: Sequence[Values]) -> Values:
    total: dict[Series, float] = {}
    for part in parts:
        for series, value in part.items():
            total[series] = total.get(series, 0.0) + value
    return total


async def _now_and_beginning(connection: AsyncConnection) -> tuple[datetime, datetime]:
    """When it is, and since when there are figures: since their tables are there."""
    cursor = await connection.execute(
        "SELECT now(), applied_at FROM migrations WHERE name = 'metrics'"
    )
    ((now, began),) = await cursor.fetchall()
    return now, began


# -- of an owner -----------------------------------------------------------------------------------


async def _parts(
    connection: AsyncConnection, owner_id: int, bounds: Sequence[datetime], stored: list[str]
) -> list[Values]:
    """What was counted from each bound to the next, and from the last one on."""
    cursor = await connection.execute(
        "SELECT width_bucket(at, %(bounds)s::timestamptz[]), metric, labels, sum(value)"
        " FROM owner_metrics"
        " WHERE owner_id = %(owner)s AND at >= %(first)s AND metric = ANY(%(names)s)"
        " GROUP BY 1, 2, 3",
        {"bounds": bounds, "owner": owner_id, "first": bounds[0], "names": stored},
    )
    parts: list[dict[Series, float]] = [{} for _ in bounds]
    async for number, metric, labels, value in cursor:
        parts[number - 1][_series(metric, labels)] = value
    return list(parts)


# -- of the whole system ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Totals:
    """What had been counted at a moment."""

    at: datetime
    values: Values

    def until(self, later: "_Totals") -> Window:
        return Window(
            self.at,
            later.at,
            {
                series: more
                for series, value in later.values.items()
                if (more := value - self.values.get(series, 0.0)) > 0
            },
        )


async def _totals_now(connection: AsyncConnection, now: datetime, stored: list[str]) -> _Totals:
    cursor = await connection.execute(
        "SELECT metric, labels, sum(value) FROM metric_totals WHERE metric = ANY(%s) GROUP BY 1, 2",
        (stored,),
    )
    return _Totals(now, {_series(metric, labels): value async for metric, labels, value in cursor})


async def _totals_near(
    connection: AsyncConnection, moment: datetime, began: datetime, stored: list[str]
) -> _Totals:
    """The totals at the snapshot nearest to a moment; at the beginning all were 0."""
    cursor = await connection.execute(
        "(SELECT at FROM metric_snapshots WHERE at <= %(at)s ORDER BY at DESC LIMIT 1) UNION ALL"
        " (SELECT at FROM metric_snapshots WHERE at > %(at)s ORDER BY at LIMIT 1)",
        {"at": moment},
    )
    taken = [at for (at,) in await cursor.fetchall()]
    nearest = min((began, *taken), key=lambda at: abs(at - moment))
    if nearest == began:
        return _Totals(began, {})
    cursor = await connection.execute(
        "SELECT at, name, totals -> name"
        " FROM metric_snapshots CROSS JOIN unnest(%s::text[]) AS name WHERE at = %s",
        (stored, nearest),
    )
    return _by_moment(await cursor.fetchall())[0]


async def _snapshots(
    connection: AsyncConnection,
    since: datetime,
    every: timedelta,
    began: datetime,
    stored: list[str],
) -> list[_Totals]:
    """The totals near a moment, then at the first snapshot of each step after it."""
    cursor = await connection.execute(
        """
        SELECT at, name, totals -> name FROM (
            SELECT DISTINCT ON (date_bin(%(every)s, at, %(since)s)) at, totals
            FROM metric_snapshots WHERE at >= %(second)s
            ORDER BY date_bin(%(every)s, at, %(since)s), at
        ) AS s CROSS JOIN unnest(%(names)s::text[]) AS name
        ORDER BY at
        """,
        {"every": every, "since": since, "second": since + every, "names": stored},
    )
    following = _by_moment(await cursor.fetchall())
    return [await _totals_near(connection, since, began, stored), *following]


def _by_moment(rows: Sequence[tuple[datetime, str, Mapping[str, float] | None]]) -> list[_Totals]:
    """Totals from rows of moment, name and the values by labels, ordered by the moment."""
    found: dict[datetime, dict[Series, float]] = {}
    for at, metric, of_labels in rows:
        values = found.setdefault(at, {})
        for labels, value in (of_labels or {}).items():
            values[_series(metric, labels)] = value
    return [_Totals(at, values) for at, values in found.items()]
