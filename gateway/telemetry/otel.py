"""Spans by OpenTelemetry's SDK. Imported only where traces are on: all that imports ``opentelemetry`` is here."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace import Tracer as SdkTracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from postil.gateway.telemetry.conventions import ERROR
from postil.gateway.telemetry.trace import Attribute, Headers, Span

log = logging.getLogger(__name__)
_SERVICE, _NAME = "postil", "service.name"
_SDK_LOG = "opentelemetry"
_STOP_SECONDS = 2.0
_HEADERS = (b"traceparent", b"tracestate")


class OtelSpan:
    """A span of the SDK, with what the gateway needs of it."""

    __slots__ = ("_sdk", "_tracer")

    def __init__(self, tracer: SdkTracer, sdk: SdkSpan) -> None:
        self._tracer = tracer
        self._sdk = sdk

    @property
    def trace_id(self) -> str:
        """The id of its trace, in 32 hexadecimal digits."""
        return f"{self._sdk.get_span_context().trace_id:032x}"

    @property
    def recorded(self) -> bool:
        """Whether it was sampled."""
        return self._sdk.is_recording()

    @property
    def traceparent(self) -> str:
        """What the next server is told, as W3C Trace Context writes it."""
        context = self._sdk.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def set(self, name: str, value: Attribute) -> None:
        """Set an attribute."""
        self._sdk.set_attribute(name, value)

    def event(self, name: str, attributes: Mapping[str, Attribute]) -> None:
        """Add an event that happens now."""
        self._sdk.add_event(name, attributes)

    def child(self, name: str, attributes: Mapping[str, Attribute] | None = None, *, client: bool = False) -> Span:
        """Begin a part of it."""
        kind = SpanKind.CLIENT if client else SpanKind.INTERNAL
        return OtelSpan(self._tracer, self._tracer.start_span(name, self.context(), kind, attributes))

    def end(self, error: str = "", *, at: int | None = None) -> None:
        """End it, as an error where there was one."""
        if error:
            self._sdk.set_attribute(ERROR, error)
            self._sdk.set_status(Status(StatusCode.ERROR))
        self._sdk.end(at)

    def context(self) -> Context:
        """The SDK's context for parts of it."""
        return set_span_in_context(self._sdk, Context())

    def link(self) -> Link:
        """A link to it."""
        return Link(self._sdk.get_span_context())


class OtelTracer:
    """Begins spans, which a thread exports in batches; past a bounded queue the oldest are dropped."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._sdk = provider.get_tracer(_SERVICE, version(_SERVICE))
        self._propagator = TraceContextTextMapPropagator()

    def server(self, name: str, headers: Headers, attributes: Mapping[str, Attribute]) -> Span:
        """Begin the span of a request; a ``traceparent`` that cannot be read begins a new trace."""
        given: dict[str, list[str]] = {}
        for key, value in headers:
            if key in _HEADERS:
                given.setdefault(key.decode(), []).append(value.decode("latin-1"))
        parent = Context()
        if len(given.get("traceparent", ())) == 1:
            parent = self._propagator.extract(given, parent)
        return OtelSpan(self._sdk, self._sdk.start_span(name, parent, SpanKind.SERVER, attributes))

    def linked(self, name: str, to: Span, attributes: Mapping[str, Attribute]) -> Span:
        """Begin a trace of its own that is linked to another one."""
        assert isinstance(to, OtelSpan), "no other spans are made where traces are on"
        return OtelSpan(self._sdk, self._sdk.start_span(name, Context(), SpanKind.INTERNAL, attributes, [to.link()]))

    async def stop(self) -> None:
        """Export what is left, within two seconds. A collector that hangs keeps a thread, and nobody waits for it."""
        thread = threading.Thread(target=self._provider.shutdown, name="last-traces", daemon=True)
        thread.start()
        await asyncio.to_thread(thread.join, _STOP_SECONDS)
        if thread.is_alive():
            log.warning("the last traces could not be exported in %g s; they are dropped", _STOP_SECONDS)


class ToldExporter(SpanExporter):
    """Says in the log when a collector takes no spans any more, and when it does again: once each."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch, in the thread for that."""
        result = self._exporter.export(spans)
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self._failing:
            log.warning("the collector of OTEL_EXPORTER_OTLP_ENDPOINT takes no traces; they are dropped until it does")
        elif self._failing and not failing:
            log.warning("the collector takes traces again")
        self._failing = failing
        return result

    def shutdown(self) -> None:
        """Try nothing again."""
        self._exporter.shutdown()


def make_tracer(endpoint: str) -> OtelTracer:
    """Return a tracer that exports to a collector. Raises ValueError where a variable of the SDK has no good value."""
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(ToldExporter(OTLPSpanExporter(endpoint))))
    # It would write a line for each attempt, and take the loop's time for each span that finds the queue full.
    logging.getLogger(_SDK_LOG).setLevel(logging.CRITICAL)
    return OtelTracer(provider)


def _resource() -> Resource:
    """What exports: the service's name is the environment's, if it says one."""
    name = OTELResourceDetector().detect().attributes.get(_NAME, _SERVICE)
    return Resource.create({_NAME: name, "service.version": version(_SERVICE), "process.pid": os.getpid()})
