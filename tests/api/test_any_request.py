"""Whatever the document of the API allows is answered, and never by a fault."""

from typing import Any

import httpx
import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.core.result import Ok

from keepsake.api.app import create_app
from keepsake.settings import Settings
from tests.api.conftest import Door

EXAMPLES = 4  # of each operation: how often it is asked

SCHEMA = schemathesis.openapi.from_dict(
    create_app(Settings.model_validate({"database_url": "postgresql://none/none"})).openapi()
)
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]


def test_no_request_of_the_document_meets_a_fault(door: Door) -> None:
    client = door.client()
    faults = [fault for operation in OPERATIONS for fault in faults_of(operation, client)]
    assert not faults


def faults_of(operation: Any, client: httpx.Client) -> set[str]:
    """The faults that some requests of an operation meet."""
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
        answer = case.call(
            base_url=str(client.base_url).rstrip("/"),
            headers={"Authorization": client.headers["Authorization"]},
            timeout=20,
        )
        if answer.status_code >= 500:
            faults.add(f"{operation.label}: {answer.status_code} {answer.text}")

    ask()
    return faults
