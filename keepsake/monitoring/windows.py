"""Windows: what was counted from one moment to another, of one owner or of the whole system.

Of the whole system it is the difference between two snapshots of the totals, or between now and a
snapshot; of an owner, the sum of its rows. Both say which bounds they really have.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from keepsake.database import AsyncConnection
from keepsake.metrics.catalogue import METRICS
from keepsake.metrics.counts import Series
from keepsake.metrics.totals import SEPARATOR

FINEST = timedelta(minutes=5)  # in which an owner's figures are kept

Values = Mapping[Series, float]


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

    def total(self, metric: str, **labels: str) -> float:
        """The sum of a counter over all series that have these labels."""
        return sum(value for _, value in self.select(metric, **labels))

    def select(self, metric: str, **labels: str) -> Iterator[tuple[dict[str, str], float]]:
        """Labels and value of each series of a counter that has these labels."""
        names = METRICS[metric].labels
        for series, value in self.values.items():
            if series.metric == metric:
                of = dict(zip(names, series.labels, strict=True))
                if labels.items() <= of.items():
                    yield of, value

    def histogram(self, metric: str, **labels: str) -> "Histogram":
        """A histogram over all series that have these labels."""
        names = METRICS[metric].labels
        buckets = dict.fromkeys((*METRICS[metric].buckets, float("inf")), 0.0)
        total = 0.0
        for series, value in self.values.items():
            if labels.items() <= dict(zip(names, series.labels, strict=False)).items():
                if series.metric == f"{metric}_bucket":
                    bound = float(series.labels[-1])
                    buckets[bound] = buckets.get(bound, 0.0) + value
                elif series.metric == f"{metric}_sum":
                    total += value
        return Histogram(buckets, total)


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


async def window(
    connection: AsyncConnection,
    since: datetime,
    metrics: Collection[str],
    *,
    owner_id: int | None,
) -> Window:
    """What was counted from a moment until now.

    Args:
        connection: for an owner, in a transaction of the owner.
        since: from when on. Of the system it is the snapshot nearest to it, of an owner the five
            minutes, or later the hour, that begin then.
        metrics: of the catalogue, counters and histograms.
        owner_id: whose; None: of the whole system.
    """
    if owner_id is None:
        return await _system_window(connection, since, metrics)
    now, began = await _now_and_beginning(connection)
    cursor = await connection.execute(
        "SELECT metric, labels, sum(value) FROM owner_metrics"
        " WHERE owner_id = %s AND at >= %s AND metric = ANY(%s) GROUP BY 1, 2",
        (owner_id, since, _stored(metrics)),
    )
    return Window(max(since, began), now, {_series(*row): row[2] async for row in cursor})


async def windows(
    connection: AsyncConnection,
    since: datetime,
    every: timedelta,
    metrics: Collection[str],
    *,
    owner_id: int | None,
) -> list[Window]:
    """The same in steps, in order: each begins where the one before ends.

    Args:
        connection: as above.
        since: from when on.
        every: how long each is, `FINEST` or a multiple of it. Where snapshots are missing, windows
            of the system are longer.
        metrics: as above.
        owner_id: as above.
    """
    if owner_id is None:
        return await _system_windows(connection, since, every, metrics)
    now, began = await _now_and_beginning(connection)
    cursor = await connection.execute(
        "SELECT date_bin(%s, at, %s), metric, labels, sum(value) FROM owner_metrics"
        " WHERE owner_id = %s AND at >= %s AND metric = ANY(%s) GROUP BY 1, 2, 3",
        (every, since, owner_id, since, _stored(metrics)),
    )
    found: dict[datetime, dict[Series, float]] = {}
    async for at, metric, labels, value in cursor:
        found.setdefault(at, {})[_series(metric, labels)] = value
    return [
        Window(at, min(at + every, now), found.get(at, {}))
        for at in _steps(since, now, every)
        if at + every > began
    ]


def _steps(since: datetime, until: datetime, every: timedelta) -> Iterator[datetime]:
    while since < until:
        yield since
        since += every


def _stored(metrics: Collection[str]) -> list[str]:
    """The names under which values of these metrics are stored."""
    return [
        name
        for metric in metrics
        for name in (
            (f"{metric}_bucket", f"{metric}_sum")
            if METRICS[metric].kind == "histogram"
            else (metric,)
        )
    ]


def _series(metric: str, labels: str, *_: object) -> Series:
    return Series(metric, tuple(labels.split(SEPARATOR)) if labels else ())


async def _now_and_beginning(connection: AsyncConnection) -> tuple[datetime, datetime]:
    """When it is, and since when there are figures: since their tables are there."""
    cursor = await connection.execute(
        "SELECT now(), applied_at FROM migrations WHERE name = 'metrics'"
    )
    ((now, began),) = await cursor.fetchall()
    return now, began


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


async def _system_window(
    connection: AsyncConnection, since: datetime, metrics: Collection[str]
) -> Window:
    stored = _stored(metrics)
    now = await _totals_now(connection, stored)
    return (await _totals_near(connection, since, stored)).until(now)


async def _system_windows(
    connection: AsyncConnection, since: datetime, every: timedelta, metrics: Collection[str]
) -> list[Window]:
    stored = _stored(metrics)
    bounds = [await _totals_near(connection, since, stored)]
    cursor = await connection.execute(
        "SELECT at, m, totals -> m FROM"
        " (SELECT DISTINCT ON (date_bin(%(every)s, at, %(since)s)) at, totals"
        "  FROM metric_snapshots WHERE at >= %(after)s"
        "  ORDER BY date_bin(%(every)s, at, %(since)s), at) AS s"
        " CROSS JOIN unnest(%(metrics)s::text[]) AS m ORDER BY at",
        {"every": every, "since": since, "after": since + every, "metrics": stored},
    )
    bounds += _by_moment(await cursor.fetchall())
    bounds.append(await _totals_now(connection, stored))
    return [one.until(following) for one, following in pairwise(bounds)]


def _by_moment(rows: Collection[tuple[datetime, str, Mapping[str, float] | None]]) -> list[_Totals]:
    """Totals from rows of moment, metric and the values by labels, ordered by the moment."""
    found: dict[datetime, dict[Series, float]] = {}
    for at, metric, of_labels in rows:
        values = found.setdefault(at, {})
        for labels, value in (of_labels or {}).items():
            values[_series(metric, labels)] = value
    return [_Totals(at, values) for at, values in found.items()]


async def _totals_now(connection: AsyncConnection, stored: list[str]) -> _Totals:
    now, _ = await _now_and_beginning(connection)
    cursor = await connection.execute(
        "SELECT metric, labels, sum(value) FROM metric_totals WHERE metric = ANY(%s) GROUP BY 1, 2",
        (stored,),
    )
    return _Totals(now, {_series(*row): row[2] async for row in cursor})


async def _totals_near(connection: AsyncConnection, moment: datetime, stored: list[str]) -> _Totals:
    """The totals at the snapshot nearest to a moment; at the beginning all were 0."""
    _, began = await _now_and_beginning(connection)
    cursor = await connection.execute(
        "(SELECT at FROM metric_snapshots WHERE at <= %(at)s ORDER BY at DESC LIMIT 1) UNION ALL"
        " (SELECT at FROM metric_snapshots WHERE at > %(at)s ORDER BY at LIMIT 1)",
        {"at": moment},
    )
    taken = [row[0] for row in await cursor.fetchall()]
    nearest = min((began, *taken), key=lambda at: abs(at - moment))
    if nearest == began:
        return _Totals(began, {})
    cursor = await connection.execute(
        "SELECT at, m, totals -> m FROM metric_snapshots CROSS JOIN unnest(%s::text[]) AS m"
        " WHERE at = %s",
        (stored, nearest),
    )
    return _by_moment(await cursor.fetchall())[0]
