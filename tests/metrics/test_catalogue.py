"""What is written about metrics is what there is."""

import re
from pathlib import Path

import pytest

from keepsake.metrics.catalogue import METRICS, Metric
from keepsake.metrics.counts import written

PAGE = Path(__file__).parents[2] / "docs/monitoring.md"


def row(metric: Metric) -> str:
    """A metric as the table of docs/monitoring.md has it."""
    kind: str = metric.kind
    if metric.buckets:
        kind += f" ({', '.join(written(bound) for bound in metric.buckets)})"
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {kind} | {labels} | {metric.about} |"


def test_the_table_of_metrics_is_the_catalogue() -> None:
    table = re.findall(r"^\| `keepsake_.*\|$", PAGE.read_text(), re.M)
    assert "\n".join(table) == "\n".join(row(metric) for metric in METRICS.values())


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_name_ends_with_what_it_counts(metric: Metric) -> None:
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    if metric.kind == "histogram":
        assert metric.name.endswith(("_seconds", "_bytes"))
        assert list(metric.buckets) == sorted(metric.buckets)
