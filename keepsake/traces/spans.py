"""Spans, which hold ids, counts and names of ours, and never content.

    with exported(settings.span_receiver, "worker"):  # once in a process
        with span("step tags", {"keepsake.record.id": 12}):
            note({"keepsake.attempts": 2})  # of the span around

A span holds for what is done inside, also in tasks and threads that are begun there. An error is
named by its type. Where nothing is exported, `span` gives back one object that does nothing.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from keepsake.traces.otlp import Tracing

log = logging.getLogger(__name__)

Part = Literal["api", "worker", "run"]
Kind = Literal["INTERNAL", "CLIENT", "SERVER", "CONSUMER"]
Value = str | int | float | bool
Attribute = Literal[
    # Semantic conventions 1.44, stable.
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    # Those of generative AI are at status Development, in a repository of their own that has made
    # no release: they may change.
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    # Ours.
    "keepsake.attempt",
    "keepsake.attempts",
    "keepsake.job.id",
    "keepsake.job.type",
    "keepsake.line",
    "keepsake.outcome",
    "keepsake.record.id",
    "keepsake.records",
    "keepsake.run.id",
    "keepsake.step",
]
Attributes = Mapping[Attribute, Value]

# What the conventions call a provider of ours, where that is another name.
_PROVIDERS = {"bedrock": "aws.bedrock"}

_tracing: "Tracing | None" = None  # None: nothing is exported
_OFF = nullcontext()
_NONE: Attributes = {}


@dataclass(frozen=True)
class Receiver:
    """Where spans are sent.

    Attributes:
        url: takes OTLP over HTTP, as protobuf.
        headers: of each request, as OTEL_EXPORTER_OTLP_HEADERS has them: `name=value,...`.
    """

    url: str
    headers: str = field(default="", repr=False)


@contextmanager
def exported(receiver: Receiver | None, part: Part) -> Iterator[None]:
    """Send the spans of this process to `receiver`, what is left of them when the block ends.

    A receiver that is away costs no more than its queue: spans that find it full are dropped, and
    the log says so once. Inside a block that exports already, this does nothing.
    """
    global _tracing  # one a process, as its log
    if receiver is None or _tracing is not None:
        yield
        return
    try:
        from keepsake.traces.otlp import Tracing
    except ImportError:
        log.warning("no traces: they need the extra `traces`, pip install 'keepsake[traces]'")
        yield
        return
    _tracing = tracing = Tracing(receiver.url, receiver.headers, part)
    try:
        yield
    finally:
        _tracing = None
        tracing.close()


def span(
    name: str,
    attributes: Attributes = _NONE,
    *,
    kind: Kind = "INTERNAL",
    apart_from: "Collection[SpanContext | None]" = (),
    caller: str | None = None,
) -> AbstractContextManager[None]:
    """A span for the length of the block, within the one around. What the block raises fails it.

    Args:
        name: one of few: it has no id in it.
        attributes: known when it begins.
        kind: as OpenTelemetry has it.
        apart_from: spans (`here()`) that it is linked to; it is then within none, and begins a
            trace of its own.
        caller: `traceparent` of the request that it answers; it is then within that.
    """
    if _tracing is None:
        return _OFF
    return _tracing.span(name, attributes, kind, apart_from, caller)


def here() -> "SpanContext | None":
    """The span around, to link others to; None: there is none."""
    return None if _tracing is None else _tracing.here()


def model_call(
    operation: str,
    provider: str,
    model: str,
    *,
    asked_by: "Collection[SpanContext | None]" = (),
) -> AbstractContextManager[None]:
    """The span of one call to a model.

    Args:
        operation: the role; of these the conventions know `chat` and `embeddings`.
        provider: as the settings name it.
        model: that is asked for.
        asked_by: the spans whose wishes it gathers; none: it is within the span around.
    """
    if _tracing is None:
        return _OFF
    attributes: Attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": _PROVIDERS.get(provider, provider),
        "gen_ai.request.model": model,
    }
    return span(f"{operation} {model}", attributes, kind="CLIENT", apart_from=asked_by)


def note_tokens(tokens_in: int, tokens_out: int | None = None) -> None:
    """Add to the model call around what its provider counted."""
    note({"gen_ai.usage.input_tokens": tokens_in})
    if tokens_out is not None:
        note({"gen_ai.usage.output_tokens": tokens_out})


def note(attributes: Attributes) -> None:
    """Add to the span around."""
    if _tracing is not None:
        _tracing.note(attributes)


def rename(name: str) -> None:
    """Give the span around the name that is known only now."""
    if _tracing is not None:
        _tracing.rename(name)


def event(name: str, attributes: Attributes, at: datetime) -> None:
    """Add to the span around what happened at a moment."""
    if _tracing is not None:
        _tracing.event(name, attributes, at)


def fail(error_type: str) -> None:
    """Mark the span around as failed, by an error of that type."""
    if _tracing is not None:
        _tracing.fail(error_type)
