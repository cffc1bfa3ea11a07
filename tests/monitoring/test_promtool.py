"""Prometheus' own tool has nothing to say against what it is given to read."""

from keepsake.database import connect
from keepsake.metrics.catalogue import METRICS
from keepsake.metrics.counts import Counts
from keepsake.owners.owners import add_owner
from tests.given import given_record
from tests.monitoring.promtool import check_with_promtool
from tests.monitoring.scraped import count, scrape


def test_every_metric_is_as_prometheus_wants_it(database_url: str) -> None:
    with connect(database_url) as db:
        given_record(db, line="bookmarks", owner_id=add_owner(db, "Rose").id, external_id="a")
        for metric in METRICS.values():  # also those that have no value in so small a database
            if metric.kind == "gauge":
                db.execute(
                    "INSERT INTO probes (metric, labels, value) VALUES (%s, %s, 1)"
                    " ON CONFLICT DO NOTHING",
                    (metric.name, "\x1f".join(metric.labels)),
                )
    count(database_url, one_of_each())
    text = scrape(database_url)
    assert {name for name in METRICS if f"# TYPE {name} " not in text} == set()
    check_with_promtool("check", "metrics", given=text)


def one_of_each() -> Counts:
    counts = Counts()
    for metric in METRICS.values():
        labels = dict.fromkeys(metric.labels, "x")
        if metric.kind == "counter":
            counts.count(metric.name, 1, **labels)
        if metric.kind == "histogram":
            counts.observe(metric.name, 1.5, **labels)
    return counts
