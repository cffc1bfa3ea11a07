"""Sending spans over OTLP/HTTP, with OpenTelemetry's SDK: the extra `traces`.

The provider is our own, not the global one, so that what libraries trace by themselves does not
come along: FastAPI records whole paths, with the tokens in them.
"""

import logging
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.re import parse_env_headers

from keepsake.traces.spans import Attributes, Kind, Part

log = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0  # for what is left at the end, while the receiver answers
# They quote the receiver's address, again and again while it is away. `Exporter` says it once.
_REPEAT_THEMSELVES = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")


class Exporter(OTLPSpanExporter):
    """Says once that the receiver takes nothing, and once that it does again."""

    is_away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter`."""
        result = super().export(spans)
        was_away, self.is_away = self.is_away, result is not SpanExportResult.SUCCESS
        if self.is_away and not was_away:
            log.warning("spans are dropped: their receiver takes none, `keepsake doctor` says why")
        if was_away and not self.is_away:
            log.info("the receiver of spans is back")
        return result


class Tracing:
    """Makes spans and sends them, in batches and from a thread. Standard variables tune both."""

    def __init__(self, url: str, headers: str, part: Part) -> None:
        for name in _REPEAT_THEMSELVES:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._exporter = Exporter(url, headers=headers_of(headers))
        self._provider = TracerProvider(resource=_resource(part), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("keepsake", version("keepsake"))

    def close(self) -> None:
        """Send what is left. A receiver that is slow or away is not waited for."""
        flush = threading.Thread(target=self._provider.shutdown, daemon=True)
        flush.start()
        flush.join(0 if self._exporter.is_away else FLUSH_SECONDS)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    @contextmanager
    def span(
        self,
        name: str,
        attributes: Attributes,
        kind: Kind,
        apart_from: Collection[SpanContext | None],
        caller: str | None,
    ) -> Iterator[None]:
        """See `spans.span`."""
        within = Context() if apart_from else None
        linked = {place.span_id: Link(place) for place in apart_from if place is not None}
        if caller:
            within = TraceContextTextMapPropagator().extract({"traceparent": caller})
        with self._tracer.start_as_current_span(
            name,
            within,
            SpanKind[kind],
            dict(attributes.items()),
            list(linked.values()),
            record_exception=False,  # its text may quote a person
            set_status_on_exception=False,
        ):
            try:
                yield
            except BaseException as error:
                self.fail(type(error).__name__)
                raise

    def here(self) -> SpanContext | None:
        """See `spans.here`."""
        place = get_current_span().get_span_context()
        return place if place.is_valid else None

    def rename(self, name: str) -> None:
        """See `spans.rename`."""
        get_current_span().update_name(name)

    def note(self, attributes: Attributes) -> None:
        """See `spans.note`."""
        get_current_span().set_attributes(dict(attributes.items()))

    def event(self, name: str, attributes: Attributes, at: datetime) -> None:
        """See `spans.event`."""
        get_current_span().add_event(name, dict(attributes.items()), int(at.timestamp() * 1e9))

    def fail(self, error_type: str) -> None:
        """See `spans.fail`."""
        self.note({"error.type": error_type})
        get_current_span().set_status(StatusCode.ERROR)


def headers_of(text: str) -> Mapping[str, str]:
    """Headers as OTEL_EXPORTER_OTLP_HEADERS has them; what is no `name=value` is left out."""
    return parse_env_headers(text, liberal=True)


def _resource(part: Part) -> Resource:
    """What all spans of the process have. Names in the environment win over ours."""
    ours = {"service.name": "keepsake", "service.version": version("keepsake")}
    named = OTELResourceDetector().detect().attributes
    return Resource.create({**ours, **named, "keepsake.part": part})
