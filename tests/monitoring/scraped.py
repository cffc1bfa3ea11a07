"""What a scrape of a database gives."""

from collections.abc import Iterable, Mapping

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from keepsake.database import Pool
from keepsake.metrics.counts import Counts, Series
from keepsake.metrics.totals import add
from keepsake.monitoring.exposition import TEXT, Figures, Scraper, read_figures
from keepsake.monitoring.gauges import Gauges
from tests.given import in_pool


def scrape(url: str, content_type: str = TEXT) -> str:
    """The text that Prometheus gets."""
    return in_pool(url, lambda pool: Scraper(pool).scrape(content_type)).decode()


def parsed_text(text: str) -> Iterable[Family]:
    """The families of Prometheus' text format."""
    return text_string_to_metric_families(text)


def parsed_openmetrics(text: str) -> Iterable[Family]:
    """The families of OpenMetrics, whose parser is strict."""
    found: Iterable[Family] = openmetrics.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return found


def figures(url: str) -> Figures:
    """The same before it is text."""

    async def read(pool: Pool) -> Figures:
        async with pool.connection() as connection:
            return await read_figures(connection, Gauges())

    return in_pool(url, read)


def gauges(url: str, metric: str) -> Mapping[tuple[str, ...], float]:
    """A gauge, by the values of its labels."""
    return {
        series.labels: value
        for series, value in figures(url).gauges.items()
        if series.metric == metric
    }


def gauge(url: str, metric: str, *labels: str) -> float:
    """One value of a gauge."""
    return figures(url).gauges[Series(metric, labels)]


def count(url: str, counts: Counts, run_id: str = "") -> None:
    """Add counts to the totals."""

    async def store(pool: Pool) -> None:
        async with pool.connection() as connection:
            await add(connection, counts, run_id=run_id)

    in_pool(url, store)
