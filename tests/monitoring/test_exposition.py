"""What Prometheus reads: names, buckets that add up, exemplars, one reading for all who ask."""

import asyncio
from collections.abc import Mapping

import pytest
from prometheus_client.samples import Sample

from keepsake.database import connect, open_pool
from keepsake.metrics.catalogue import METRICS, MODEL_SECONDS
from keepsake.metrics.counts import Counts, Series
from keepsake.metrics.totals import Total, totals
from keepsake.monitoring import exposition
from keepsake.monitoring.exposition import (
    OPENMETRICS,
    TEXT,
    Figures,
    Scraper,
    accepted,
    encode,
    read_figures,
)
from tests.given import NOON
from tests.monitoring.scraped import count, parsed_openmetrics, parsed_text, scrape

SECONDS = "keepsake_model_request_duration_seconds"


def counted(*seconds: float, calls: int = 1) -> Counts:
    counts = Counts()
    counts.count("keepsake_model_calls_total", calls, model="m")
    for each in seconds:
        counts.observe(SECONDS, each, model="m")
    return counts


def samples(text: str) -> Mapping[tuple[str, str], Sample]:
    """The samples of a text, by name and bound."""
    families = parsed_openmetrics(text) if "# EOF" in text else parsed_text(text)
    return {
        (sample.name, sample.labels.get("le", "")): sample
        for family in families
        for sample in family.samples
    }


def test_a_counter_is_the_sum_over_all_who_counted(database_url: str) -> None:
    for run in ("a", "b", "c"):
        count(database_url, counted(calls=2), run_id=run)
    assert 'keepsake_model_calls_total{model="m"} 6.0' in scrape(database_url)


@pytest.mark.parametrize("content_type", [TEXT, OPENMETRICS])
def test_a_bucket_holds_all_that_is_not_above_its_bound(
    database_url: str, content_type: str
) -> None:
    count(database_url, counted(0.5, 3, 4, 999))
    found = samples(scrape(database_url, content_type))
    buckets = [found[f"{SECONDS}_bucket", str(bound)].value for bound in MODEL_SECONDS]
    assert buckets == [1, 1, 3, 3, 3, 3, 3]
    assert found[f"{SECONDS}_bucket", "+Inf"].value == found[f"{SECONDS}_count", ""].value == 4
    assert found[f"{SECONDS}_sum", ""].value == 1006.5


def test_a_bound_is_exact_however_large(database_url: str) -> None:
    counts = Counts()
    counts.observe("keepsake_object_upload_bytes", 1024 * 1024, line="family")
    count(database_url, counts)
    found = samples(scrape(database_url))
    assert found["keepsake_object_upload_bytes_bucket", "1.048576e+06"].value == 1


def test_values_that_another_version_counted_under_other_bounds_are_not_lost() -> None:
    labels = ("m",)
    totals = {
        Series(f"{SECONDS}_bucket", ("m", "3")): Total(2, NOON),
        Series(f"{SECONDS}_bucket", ("m", "500")): Total(1, NOON),
        Series(f"{SECONDS}_sum", labels): Total(9, NOON),
    }
    found = samples(encode(Figures(totals), TEXT).decode())
    assert found[f"{SECONDS}_bucket", "2.0"].value == 0
    assert found[f"{SECONDS}_bucket", "5.0"].value == 2
    assert found[f"{SECONDS}_bucket", "+Inf"].value == 3


def test_a_bucket_names_the_run_that_it_saw_last(database_url: str) -> None:
    count(database_url, counted(3), run_id="run-1")
    count(database_url, counted(4), run_id="run-2")
    found = samples(scrape(database_url, OPENMETRICS))
    seen = found[f"{SECONDS}_bucket", "5.0"].exemplar
    assert seen is not None
    assert (seen.labels, seen.value) == ({"run_id": "run-2"}, 4)
    assert found[f"{SECONDS}_bucket", "1.0"].exemplar is None


def test_openmetrics_says_since_when_something_is_counted_and_text_does_not(
    database_url: str,
) -> None:
    count(database_url, counted(3))
    found = samples(scrape(database_url, OPENMETRICS))
    assert found["keepsake_model_calls_created", ""].value > NOON.timestamp()
    assert found[f"{SECONDS}_created", ""].value > NOON.timestamp()
    assert "_created" not in scrape(database_url, TEXT)


def test_every_metric_of_a_scrape_is_in_the_catalogue(database_url: str) -> None:
    count(database_url, counted(3))
    families = list(parsed_text(scrape(database_url)))
    assert families
    for family in families:
        metric = METRICS.get(family.name) or METRICS[f"{family.name}_total"]
        assert (family.type, family.documentation) == (metric.kind, metric.about)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/plain;version=0.0.4;q=0.5", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3", OPENMETRICS),
        ("text/plain, Application/OpenMetrics-Text", OPENMETRICS),
    ],
)
def test_openmetrics_is_given_to_whoever_names_it(accept: str, content_type: str) -> None:
    assert accepted(accept) == content_type


async def test_who_asks_at_the_same_time_is_given_the_same_reading(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = []

    async def counting(*arguments: object) -> Figures:
        readings.append(arguments)
        return await read_figures(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(exposition, "read_figures", counting)
    async with open_pool(database_url) as pool:
        scraper = Scraper(pool)
        texts = await asyncio.gather(*(scraper.scrape(TEXT) for _ in range(20)))
    assert len(readings) == 1
    assert len({*texts}) == 1


async def test_a_reading_is_used_for_a_second(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(exposition, "monotonic", lambda: clock[0])
    async with open_pool(database_url) as pool:
        scraper = Scraper(pool)
        await scraper.scrape(TEXT)
        await asyncio.to_thread(count, database_url, counted(3))
        assert b"keepsake_model_calls_total" not in await scraper.scrape(TEXT)
        clock[0] += 1.5
        assert b"keepsake_model_calls_total" in await scraper.scrape(TEXT)


async def test_a_scrape_is_one_snapshot(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes in while it reads is in none of its parts."""

    async def late(*arguments: object) -> object:
        await asyncio.to_thread(count, database_url, counted(3))
        return await totals(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(exposition, "totals", late)
    async with open_pool(database_url) as pool:
        text = await Scraper(pool).scrape(TEXT)
    assert b"keepsake_model_calls_total" not in text


def test_totals_that_cannot_be_read_hide_no_gauge(database_url: str) -> None:
    with connect(database_url) as db:
        db.execute("ALTER TABLE metric_totals RENAME TO elsewhere")
    text = scrape(database_url)
    assert 'keepsake_probe_success{probe="totals"} 0.0' in text
    assert "keepsake_workers 0.0" in text
