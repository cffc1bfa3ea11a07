"""A run of Dagster sends what it did before it ends, and a tracked job's run is within the job."""

import asyncio

import dagster as dg
import pytest

from definitions import build_defs
from keepsake.traces import otlp
from tests.doubles.otlp import SpanReceiver
from tests.doubles.server import serving
from tests.family.conftest import OpensHouse

from .conftest import TEXT, TODAY, Location
from .test_jobs import given, run, short_ticks, tick

__all__ = ["short_ticks"]


def test_the_run_of_a_job_is_within_the_span_of_the_job(
    house_with: OpensHouse, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "FLUSH_SECONDS", 60)  # the machine may be busy with other tests
    double = SpanReceiver()
    with serving(double) as url:
        house = house_with(OTEL_EXPORTER_OTLP_ENDPOINT=url)
        location = Location(house, instance, build_defs(house.settings))
        record_id = asyncio.run(house.add(text=TEXT))
        data = {"line": "family", "first": TODAY, "last": TODAY, "steps": ["transcripts"]}
        job_id = given(house, "run_line", data)
        [request] = tick(instance)
        result = run(location, request)
    assert result.success
    assert double.tree("job run_line", job_id=job_id) == {"job run_line": {"run family": {}}}
    assert double.one("job run_line").attributes["keepsake.outcome"] == "succeeded"
    assert double.one("run family").attributes["keepsake.run.id"] == result.run_id
    record = double.one("record family", record_id=record_id)
    assert {*record.links} == {double.one("run family").id}
    assert double.tree("record family") == {"record family": {"step transcripts": {}}}
