"""A receiver of traces that counts spans: `python -m benchmarks.span_receiver --port N`."""

import argparse

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def build_app() -> Starlette:
    """The receiver."""
    spans = 0

    async def take(request: Request) -> Response:
        nonlocal spans
        sent = ExportTraceServiceRequest.FromString(await request.body())
        spans += sum(len(s.spans) for r in sent.resource_spans for s in r.scope_spans)
        return Response(ExportTraceServiceResponse().SerializeToString())

    async def stats(_: Request) -> Response:
        return JSONResponse({"spans": spans})

    return Starlette(
        routes=[Route("/v1/traces", take, methods=["POST"]), Route("/stats", stats)],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    uvicorn.run(build_app(), host="127.0.0.1", port=port, log_level="warning")
