"""What Prometheus and Grafana are given asks for figures that there are, and is what they take."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from keepsake.metrics.catalogue import METRICS, Metric
from tests.monitoring.promtool import check_with_promtool

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus/rules.yml"
DASHBOARD: Mapping[str, Any] = json.loads((DEPLOY / "grafana/keepsake.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SUFFIXES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
OF_PROMETHEUS = {"job", "instance"}  # labels that it gives to everything it reads
OF_ALERTS = {"alertname", "alertstate", "severity"}


@dataclass(frozen=True)
class Query:
    """An expression, and where it stands."""

    at: str
    text: str


def rules() -> Iterator[dict[str, Any]]:
    """Every rule of rules.yml, in order."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from group["rules"]


def alerts() -> list[str]:
    return [rule["alert"] for rule in rules() if "alert" in rule]


def targets() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every query of a panel, with its panel."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel, target


def queries() -> Iterator[Query]:
    """All expressions: of rules, panels and variables."""
    for rule in rules():
        yield Query(rule.get("alert") or rule["record"], rule["expr"])
    for panel, target in targets():
        yield Query(panel["title"], target["expr"])
    for variable in variables("query"):
        yield Query(f"variable {variable['name']}", variable["query"]["query"])


def variables(kind: str) -> list[dict[str, Any]]:
    return [each for each in DASHBOARD["templating"]["list"] if each["type"] == kind]


SERIES = {
    f"{metric.name}{suffix}": metric
    for metric in METRICS.values()
    for suffix in SUFFIXES[metric.kind]
}
RECORDED = {rule["record"] for rule in rules() if "record" in rule}
QUERIES = [pytest.param(query, id=query.at) for query in queries()]


def labels_of(series: str) -> set[str]:
    """The labels that a series of ours can have."""
    metric: Metric = SERIES[series]
    return {*metric.labels, *({"le"} if series.endswith("_bucket") else ())} | OF_PROMETHEUS


def selected(text: str) -> list[tuple[str, str]]:
    """Each name of a series of ours, with what stands in its braces."""
    return re.findall(r"(?<![\w:])(keepsake_\w+)(?:\{([^}]*)\})?", text)


# -- what expressions ask for ---------------------------------------------------------------------


@pytest.mark.parametrize("query", QUERIES)
def test_an_expression_asks_for_series_that_there_are(query: Query) -> None:
    names = {name for name, _ in selected(query.text)}
    recorded = set(re.findall(r"\bjob\w*:\w+:\w+", query.text))
    assert names <= set(SERIES)
    assert recorded <= RECORDED
    assert names or recorded or re.search(r"\b(up|ALERTS)\b", query.text)


@pytest.mark.parametrize("query", QUERIES)
def test_an_expression_uses_labels_that_its_series_have(query: Query) -> None:
    for name, selector in selected(query.text):
        assert set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", selector)) <= labels_of(name), name
    grouped = re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", query.text)
    known = set(chain.from_iterable(labels_of(name) for name, _ in selected(query.text)))
    used = {label.strip() for labels in grouped for label in labels.split(",")}
    assert used <= known | OF_PROMETHEUS | (OF_ALERTS if "ALERTS" in query.text else set())


def test_a_legend_names_only_what_its_expression_keeps() -> None:
    for panel, target in targets():
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        kept = {
            label.strip()
            for labels in re.findall(r"\bby \(([^)]*)\)", target["expr"])
            for label in labels.split(",")
        }
        assert named <= kept, panel["title"]


def test_several_installations_are_never_added_up() -> None:
    """Nor is one that is chosen shown with the figures of another."""
    for rule in rules():
        for by in re.findall(r"\b(?:sum|min|max|count|avg)\b([^(]*)\(", rule["expr"]):
            assert by.strip() == "by", rule["expr"]
        for labels in re.findall(r"\bby\s*\(([^)]*)\)", rule["expr"]):
            assert "job" in labels, rule["expr"]
    for panel, target in targets():
        selectors = re.findall(r"\{([^}]*)\}", target["expr"])
        assert selectors, panel["title"]
        assert all('job="$job"' in each or "job=~" in each for each in selectors), panel["title"]


def test_every_metric_is_on_the_dashboard() -> None:
    asked = " ".join(target["expr"] for _, target in targets())
    shown = {SERIES[name].name for name, _ in selected(asked)}
    assert set(METRICS) - shown == {"keepsake_build_info"}  # it says which installations there are


# -- what Prometheus takes ------------------------------------------------------------------------


def test_prometheus_takes_the_configuration() -> None:
    check_with_promtool(
        "check", "config", "--syntax-only", str(DEPLOY / "prometheus/scrape.yml")
    )  # without the file of the token, which is not here


def test_every_alert_fires_when_it_should_and_else_does_not() -> None:
    check_with_promtool("test", "rules", str(DEPLOY / "prometheus/rules_test.yml"))


def test_every_alert_is_tested_both_ways() -> None:
    tests = yaml.safe_load((DEPLOY / "prometheus/rules_test.yml").read_text())["tests"]
    tried = [each for test in tests for each in test["alert_rule_test"]]
    assert {each["alertname"] for each in tried if each["exp_alerts"]} == set(alerts())
    assert {each["alertname"] for each in tried if not each["exp_alerts"]} == set(alerts())


def test_every_alert_says_how_grave_it_is_and_what_to_do() -> None:
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("critical", "high", "medium", "low")
            assert set(rule["annotations"]) == {"summary", "description"}


def test_prometheus_takes_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    scratch = tmp_path / "rules.yml"
    taken = [
        {"record": f"panel_{number}", "expr": filled_in(target["expr"])}
        for number, (_, target) in enumerate(targets())
    ]
    scratch.write_text(json.dumps({"groups": [{"name": "panels", "rules": taken}]}))
    check_with_promtool("check", "rules", str(scratch))


def filled_in(text: str) -> str:
    """An expression with the values that Grafana would give to its variables."""
    for name, value in VALUES.items():
        text = text.replace(f"${name}", value)
    assert "$" not in text
    return text


VALUES = {
    "__rate_interval": "2m",
    "__range": "24h",
    "job": "keepsake",
    "line": ".*",
    "model": ".*",
}


# -- what Grafana takes ---------------------------------------------------------------------------


def test_a_panel_has_an_id_of_its_own_a_title_a_unit_and_a_description() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in PANELS]
    assert len(titles) == len(set(titles))
    for panel in PANELS:
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_every_query_goes_to_the_prometheus_that_was_chosen() -> None:
    [chosen] = variables("datasource")
    assert chosen["query"] == "prometheus"
    source = {"type": "prometheus", "uid": f"${{{chosen['name']}}}"}
    asking = [*PANELS, *(target for _, target in targets()), *variables("query")]
    assert {json.dumps(each["datasource"]) for each in asking} == {json.dumps(source)}


def test_no_panel_lies_on_another_or_beside_the_page() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )


def test_it_stays_the_same_dashboard_when_it_is_imported_again() -> None:
    assert DASHBOARD["uid"] == "keepsake-overview"
    assert "id" not in DASHBOARD  # else Grafana would overwrite whatever has that number
    assert DASHBOARD["schemaVersion"] == 38  # of Grafana 10; later ones bring it up to date
