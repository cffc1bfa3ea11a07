"""A receiver of traces: what a collector gets over OTLP/HTTP."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from starlette.requests import Request
from starlette.responses import Response

from tests.doubles.server import Double


@dataclass(frozen=True)
class Received:
    """A span as it arrived.

    Attributes:
        kind: as OpenTelemetry names it.
        trace, id, parent: in hexadecimal; no parent: empty.
        links: ids of the spans that it is linked to.
        attributes: by name.
        events: name, attributes and moment of each.
        failed: whether its status is an error.
        said: what its status says beside that.
        part: of Keepsake, that sent it.
    """

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: frozenset[str]
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any], datetime]]
    failed: bool
    said: str
    part: str


class SpanReceiver(Double):
    """Takes all spans; answers while `open` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.open.set()

    async def answer(self, request: Request) -> Response:
        await asyncio.to_thread(self.open.wait, 60)
        return Response(
            ExportTraceServiceResponse().SerializeToString(), media_type="application/x-protobuf"
        )

    @property
    def spans(self) -> list[Received]:
        """All spans so far."""
        return [span for seen in self.seen for span in _spans(seen.body)]

    def named(self, name: str) -> list[Received]:
        """The spans of that name."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str, **attributes: Any) -> Received:
        """The only span of that name, of those with these attributes of ours."""
        wanted = {f"keepsake.{n.replace('_', '.')}": value for n, value in attributes.items()}
        (span,) = [s for s in self.named(name) if wanted.items() <= s.attributes.items()]
        return span

    def tree(self, name: str, **attributes: Any) -> Any:
        """A span with those within it: {name: {name: {}}}, of several of a name one."""
        return {name: self._within(self.one(name, **attributes))}

    def _within(self, span: Received) -> dict[str, Any]:
        return {s.name: self._within(s) for s in self.spans if s.parent == span.id}


def _spans(body: bytes) -> Iterator[Received]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        part = _values(resource.resource.attributes)["keepsake.part"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Received(
                    name=span.name,
                    kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    links=frozenset(link.span_id.hex() for link in span.links),
                    attributes=_values(span.attributes),
                    events=[
                        (e.name, _values(e.attributes), _moment(e.time_unix_nano))
                        for e in span.events
                    ],
                    failed=span.status.code == Status.STATUS_CODE_ERROR,
                    said=span.status.message,
                    part=part,
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each) for each in attributes}


def _value(pair: KeyValue) -> Any:
    kind = pair.value.WhichOneof("value")
    return getattr(pair.value, kind) if kind else None


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
