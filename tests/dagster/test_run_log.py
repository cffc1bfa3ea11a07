"""What runs print where logs are JSON."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
import yaml

from keepsake.local.dagster_home import render_dagster_yaml
from keepsake.local.up import ROOT
from keepsake.logs import about
from keepsake.settings import Settings


@dg.op
def work(context: dg.OpExecutionContext) -> None:
    with about(record=3, owner=1):
        context.log.info("half of it")
        logging.getLogger("keepsake.pipeline").warning("%d of %d", 1, 2)


@dg.op
def fail() -> None:
    raise ValueError("what grandmother said")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """With the logs of `dagster.yaml` as `keepsake up` writes it."""
    settings = Settings.model_validate({"log_format": "json"})
    rendered = yaml.safe_load(render_dagster_yaml((ROOT / "dagster.yaml").read_text(), settings))
    with dg.instance_for_test({"python_logs": rendered["python_logs"]}) as instance:
        yield instance


def printed(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = capfd.readouterr().err.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_a_line_names_the_run_and_what_it_is_about(
    instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    job = dg.GraphDefinition(name="job", node_defs=[work]).to_job()
    run = job.execute_in_process(instance=instance)
    said = [line for line in printed(capfd) if "record" in line]
    assert [line["message"] for line in said] == ["half of it", "1 of 2"]
    assert all((line["run"], line["owner"]) == (run.run_id, 1) for line in said)


def test_a_line_on_a_failure_has_nothing_that_the_error_says(
    instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    job = dg.GraphDefinition(name="job", node_defs=[fail]).to_job()
    job.execute_in_process(instance=instance, raise_on_error=False)
    lines = printed(capfd)
    assert any(line["message"] == 'Execution of step "fail" failed.' for line in lines)
    assert "grandmother" not in json.dumps(lines)
