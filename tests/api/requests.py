"""A request for every route of the application, made from what its document says of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts


@dataclass(frozen=True)
class Route:
    """A method at an address.

    Attributes:
        method: GET, POST, ...
        path: with its parameters in braces.
        query: parameters that are asked for, each with an example.
        takes_owner: whether `?owner=` says for whom.
        content_type, body: an example of what it takes; None: nothing.
    """

    method: str
    path: str
    query: Mapping[str, Any]
    takes_owner: bool
    content_type: str | None = None
    body: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters in its path."""
        return re.findall(r"{(\w+)(?::\w+)?}", self.path)

    def request(
        self, client: httpx.Client, values: Mapping[str, Any], **query: Any
    ) -> httpx.Request:
        """The request with these values in its path."""
        path = re.sub(r":\w+}", "}", self.path).format(**values)
        body = {"json": self.body} if self.content_type == "application/json" else {}
        if self.body is not None and not body:
            body = {"content": self.body, "headers": {"Content-Type": self.content_type}}
        return client.build_request(self.method, path, params={**self.query, **query}, **body)


def routes(app: FastAPI) -> list[Route]:
    """Every route, also those that the document leaves out: pages and feeds."""
    document = app.openapi()
    return [
        Route(method, route.path, *_described(document, route.path, method))
        for route in iter_route_contexts(app.routes)
        if route.path and route.methods
        for method in sorted(route.methods)
    ]


def _described(document: Any, path: str, method: str) -> Iterator[Any]:
    operation = document["paths"].get(path, {}).get(method.lower(), {})
    yield {
        each["name"]: each.get("example", example(document, each["schema"]))
        for each in operation.get("parameters", [])
        if each["in"] == "query" and each.get("required")
    }
    yield any(
        each["name"] == "owner" and each["in"] == "query"
        for each in operation.get("parameters", [])
    )
    content = operation.get("requestBody", {}).get("content", {})
    for content_type, described in sorted(content.items()):
        yield content_type
        given = described.get("example") or example(document, described.get("schema", {}))
        yield given if content_type == "application/json" else b"not what it says"
        break


def example(document: Any, schema: Any) -> Any:
    """A value that a JSON schema allows: its example, or the least there is."""
    if "$ref" in schema:
        return example(document, document["components"]["schemas"][schema["$ref"].split("/")[-1]])
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("example", "const", "default"):
        if key in schema:
            return schema[key]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return example(document, schema[key][0])
    return _least(document, schema)


def _least(document: Any, schema: Any) -> Any:
    match schema.get("type"):
        case "object":
            asked = {*schema.get("required", ()), *_with_examples(schema)}
            return {
                name: example(document, each)
                for name, each in schema.get("properties", {}).items()
                if name in asked
            }
        case "array":
            return [example(document, schema["items"])][: schema.get("minItems", 0)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
    return {"date": "2026-11-09", "date-time": "2026-11-09T12:00:00Z"}.get(
        schema.get("format"), "x" * schema.get("minLength", 1)
    )


def _with_examples(schema: Any) -> list[str]:
    return [name for name, each in schema.get("properties", {}).items() if each.get("examples")]
