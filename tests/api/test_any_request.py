"""Whatever the document of the API allows is answered, and never by a fault."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase

from keepsake.api.app import create_app
from keepsake.settings import Settings
from tests.api.conftest import Door, open_door
from tests.api.test_every_route import keep_records

EXAMPLES = 8  # of each operation: how often it is asked

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
schemathesis.serializer.alias("audio/*", "application/octet-stream")
SCHEMA: Any = schemathesis.openapi.from_dict(
    create_app(Settings.model_validate({"database_url": "postgresql://none/none"})).openapi()
)
# Live progress has no end, so it is asked for by its own tests.
OPERATIONS = [
    operation
    for operation in (found.ok() for found in SCHEMA.get_all_operations())
    if not operation.path.endswith("/events")
]


@pytest.fixture
def door(database_url: str, tmp_path: Path) -> Iterator[Door]:
    with open_door(database_url, tmp_path, public_url="https://keepsake.example") as opened:
        yield opened


def test_no_request_of_the_document_meets_a_fault(door: Door) -> None:
    records = keep_records(door)
    faults = [
        fault
        for operation in OPERATIONS
        # Each with a token of its own, which it may revoke.
        for fault in faults_of(operation, door.client(), records["record_id"])
    ]
    assert not faults


def faults_of(operation: Any, client: httpx.Client, record_id: int) -> set[str]:
    """The faults that some requests of an operation meet, about this record where it is of one."""
    faults = set()

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        if "record_id" in (case.path_parameters or {}):
            case.path_parameters["record_id"] = record_id
        answer = case.call(
            base_url=str(client.base_url).rstrip("/"),
            headers={"Authorization": client.headers["Authorization"]},
            timeout=20,
        )
        if answer.status_code >= 500:
            faults.add(f"{operation.label}: {answer.status_code} {answer.text}")

    ask()
    return faults
