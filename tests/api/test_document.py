"""docs/openapi.json and docs/schema.graphql describe the application as it is."""

import json
from typing import Any

from keepsake.api.document import document
from keepsake.api.graphql.document import document as schema
from tests.pages import ROOT


def test_the_document_in_docs_is_that_of_the_application() -> None:
    written = json.loads((ROOT / "docs/openapi.json").read_text())
    assert written == json.loads(document()), "routes have changed: `make openapi` writes it again"


def test_the_schema_in_docs_is_that_of_the_application() -> None:
    written = (ROOT / "docs/schema.graphql").read_text()
    assert written == schema(), "the schema has changed: `make openapi` writes it again"


def test_every_operation_has_an_example_or_needs_none() -> None:
    """What is sent as JSON has an example in each field that must be there."""
    described = json.loads(document())
    lacking = [
        f"{name}.{field}"
        for name in sorted(_sent(described))
        for field in described["components"]["schemas"][name].get("required", [])
        if not _shown(described["components"]["schemas"][name]["properties"][field])
    ]
    assert lacking == []


def _sent(described: Any) -> set[str]:
    return {
        content["schema"]["$ref"].rsplit("/", 1)[-1]
        for path in described["paths"].values()
        for operation in path.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if "$ref" in content["schema"]
    }


def _shown(field: Any) -> bool:
    return bool(field.get("examples") or field.get("enum") or "$ref" in field)
