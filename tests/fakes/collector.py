"""A small OTLP/HTTP collector: it keeps the spans that it is sent, and can refuse them or keep a sender waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.fakes.http import Receive, Scope, Send, read_body, respond, serving


@dataclass
class Collector:
    """The spans that came, by their services' resources. ``gate`` holds its answers back; ``asked`` counts exports."""

    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, object]] = field(default_factory=list)
    headers: list[dict[bytes, bytes]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    status: int = 200
    asked: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        body = await read_body(receive)
        self.asked += 1
        await self.gate.wait()
        if self.status == 200:
            self.raw.append(body)
            self.headers.append(dict(scope["headers"]))
            for each in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(values(each.resource.attributes))
                self.spans += [span for scoped in each.scope_spans for span in scoped.spans]
        await respond(send, self.status if scope["path"] == "/v1/traces" else 404, b"")

    def roots(self) -> list[Span]:
        """The spans of requests, in the order in which they ended."""
        return [span for span in self.spans if span.kind == Span.SPAN_KIND_SERVER]

    def named(self, begin: str) -> list[Span]:
        """The spans whose name begins so, in the order in which they began."""
        return sorted(
            (span for span in self.spans if span.name.startswith(begin)), key=lambda span: span.start_time_unix_nano
        )

    def parts_of(self, parent: Span) -> list[Span]:
        """The parts of a span, in the order in which they began."""
        found = [span for span in self.spans if span.parent_span_id == parent.span_id]
        return sorted(found, key=lambda span: span.start_time_unix_nano)


def values(attributes: object) -> dict[str, object]:
    """Attributes by their names."""
    found: dict[str, object] = {}
    for each in attributes:  # type: ignore[attr-defined]
        assert isinstance(each, KeyValue)
        found[each.key] = getattr(each.value, str(each.value.WhichOneof("value")))
    return found


@asynccontextmanager
async def running_collector() -> AsyncIterator[tuple[Collector, str]]:
    """A collector, and its URL."""
    collector = Collector()
    async with serving(collector) as url:
        try:
            yield collector, url
        finally:
            collector.gate.set()
