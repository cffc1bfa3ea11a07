"""`keepsake metrics`: what Prometheus reads, for whoever is on the machine."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from keepsake.cli import app
from keepsake.metrics.catalogue import METRICS
from tests.monitoring.scraped import parsed_text


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path))


def keepsake(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_it_prints_what_prometheus_reads() -> None:
    names = {family.name for family in parsed_text(keepsake("metrics").stdout)}
    assert {"keepsake_workers", "keepsake_queue_steps"} <= names <= METRICS.keys()


def test_it_prints_json() -> None:
    samples = json.loads(keepsake("metrics", "--json").stdout)
    assert {"name": "keepsake_workers", "labels": {}, "value": 0.0} in samples
