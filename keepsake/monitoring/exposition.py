"""The figures as Prometheus reads them: its text format 0.0.4, or OpenMetrics with exemplars.

Figures are totals (`keepsake/metrics/totals.py`) and gauges (`gauges.py`), read in one snapshot of
the database. A metric without any value is left out.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from prometheus_client import exposition
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.samples import Exemplar as Seen
from prometheus_client.utils import floatToGoString

from keepsake.database import AsyncConnection, Pool
from keepsake.metrics.catalogue import METRICS, Metric
from keepsake.metrics.counts import Series
from keepsake.metrics.totals import Exemplar, Total, exemplars, totals
from keepsake.monitoring.gauges import Gauges, Readings, attempt, succeeded

TEXT, OPENMETRICS = exposition.CONTENT_TYPE_PLAIN_0_0_4, openmetrics.CONTENT_TYPE_LATEST
SHARED_SECONDS = 1.0  # for which an answer is given to all who ask


@dataclass(frozen=True)
class Figures:
    """All figures at one moment.

    Attributes:
        totals: of counters, and of the buckets and sums of histograms.
        exemplars: of buckets.
        gauges: all others.
    """

    totals: Mapping[Series, Total] = field(default_factory=dict)
    exemplars: Mapping[Series, Exemplar] = field(default_factory=dict)
    gauges: Readings = field(default_factory=dict)


async def read_figures(connection: AsyncConnection, gauges: Gauges) -> Figures:
    """All figures, in one snapshot. What cannot be read is left out; see `Gauges.read`.

    Raises:
        psycopg.OperationalError: the connection broke.
    """
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        readings = await gauges.read(connection)
        counted = await attempt(connection, "totals", totals)
        seen = await attempt(connection, "exemplars", exemplars)
    return Figures(
        counted or {},
        seen or {},
        {**readings, **succeeded("totals", counted), **succeeded("exemplars", seen)},
    )


# -- as text --------------------------------------------------------------------------------------


def accepted(accept: str) -> str:
    """The content type for an Accept header: OpenMetrics where it is named."""
    named = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return OPENMETRICS if "application/openmetrics-text" in named else TEXT


def encode(figures: Figures, content_type: str) -> bytes:
    """The figures in one of the two formats.

    Exemplars, and since when something is counted, are in OpenMetrics only: the text format has no
    place for the first, and for the second one more metric a series.
    """
    if content_type == OPENMETRICS:
        found = _Collected(list(families(figures, since=True)))
        # Our names need no escaping: to look at each letter of them takes a quarter of the time.
        as_is = openmetrics.ALLOWUTF8
        return bytes(openmetrics.generate_latest(found, as_is))  # type: ignore[no-untyped-call]
    return exposition.generate_latest(_Collected(list(families(figures))))


@dataclass(frozen=True)
class _Collected:
    """What prometheus_client takes for a registry."""

    families: Sequence[Family]

    def collect(self) -> Sequence[Family]:
        return self.families


def families(figures: Figures, *, since: bool = False) -> Iterator[Family]:
    """The families that have values, in the catalogue's order.

    `since`: with samples that say since when each series is counted.
    """
    named: dict[str, list[Series]] = defaultdict(list)
    for series in sorted((*figures.totals, *figures.gauges)):
        named[series.metric].append(series)
    for metric in METRICS.values():
        match metric.kind:
            case "counter":
                family = _counter(metric, named[metric.name], figures)
            case "histogram":
                buckets = _by_labels(named[f"{metric.name}_bucket"])
                family = _histogram(metric, named[f"{metric.name}_sum"], buckets, figures)
            case "gauge":
                family = GaugeMetricFamily(metric.name, metric.about, labels=metric.labels)
                for each in named[metric.name]:
                    family.add_metric(each.labels, figures.gauges[each])
        if not since:
            family.samples = [s for s in family.samples if s.name != f"{family.name}_created"]
        if family.samples:
            yield family


def _counter(metric: Metric, of: Sequence[Series], figures: Figures) -> Family:
    family = CounterMetricFamily(metric.name, metric.about, labels=metric.labels)
    for series in of:
        total = figures.totals[series]
        family.add_metric(series.labels, total.value, total.created_at.timestamp())
    return family


def _histogram(
    metric: Metric,
    sums: Sequence[Series],
    buckets: Mapping[tuple[str, ...], Sequence[Series]],
    figures: Figures,
) -> Family:
    family = HistogramMetricFamily(metric.name, metric.about, labels=metric.labels)
    for series in sums:
        total = figures.totals[series]
        family.add_metric(
            series.labels, _cumulative(metric, buckets[series.labels], figures), total.value
        )
        labels = dict(zip(metric.labels, series.labels, strict=True))
        family.add_sample(f"{metric.name}_created", labels, total.created_at.timestamp())
    return family


def _by_labels(buckets: Sequence[Series]) -> Mapping[tuple[str, ...], list[Series]]:
    """Buckets by their labels without the bound, which is the last."""
    found: dict[tuple[str, ...], list[Series]] = defaultdict(list)
    for series in buckets:
        found[series.labels[:-1]].append(series)
    return found


def _cumulative(
    metric: Metric, buckets: Sequence[Series], figures: Figures
) -> list[tuple[str, float] | tuple[str, float, Seen]]:
    """Each bound of today with how many values are not above it, and an exemplar if there is one.

    Values that were counted under bounds of another version are in the next higher of today's.
    """
    counted = {float(series.labels[-1]): series for series in buckets}
    found: list[tuple[str, float] | tuple[str, float, Seen]] = []
    for bound in (*metric.buckets, math.inf):
        count = sum(figures.totals[each].value for at, each in counted.items() if at <= bound)
        written = str(floatToGoString(bound))  # type: ignore[no-untyped-call]
        seen = figures.exemplars.get(counted[bound]) if bound in counted else None
        found.append((written, count) if seen is None else (written, count, _seen(seen)))
    return found


def _seen(exemplar: Exemplar) -> Seen:
    return Seen({"run_id": exemplar.run_id}, exemplar.value, exemplar.at.timestamp())


# -- asked for again and again --------------------------------------------------------------------


class Scraper:
    """Answers those who scrape: one reading at a time, which is given to all who ask meanwhile."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._gauges = Gauges()
        self._one_at_a_time = asyncio.Lock()
        self._read_at = -math.inf
        self._figures = Figures()
        self._texts: dict[str, bytes] = {}

    async def scrape(self, content_type: str) -> bytes:
        """The figures, at most a second old.

        Raises:
            psycopg.OperationalError, psycopg_pool.PoolTimeout: the database does not answer.
        """
        async with self._one_at_a_time:
            if monotonic() - self._read_at > SHARED_SECONDS:
                async with self._pool.connection() as connection:
                    self._figures = await read_figures(connection, self._gauges)
                self._read_at = monotonic()
                self._texts.clear()
            if content_type not in self._texts:
                self._texts[content_type] = await asyncio.to_thread(
                    encode, self._figures, content_type
                )
            return self._texts[content_type]
