"""The trace of the request that is being answered, where there is one. Nothing of OpenTelemetry is imported here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

Attribute = str | bool | int | float
Headers = Iterable[tuple[bytes, bytes]]


class Span(Protocol):
    """One piece of work. It never holds a text of a request or an answer."""

    @property
    def trace_id(self) -> str:
        """The id of its trace, in 32 hexadecimal digits."""

    @property
    def recorded(self) -> bool:
        """Whether it was sampled; nothing becomes of one that was not."""

    @property
    def traceparent(self) -> str:
        """What the next server is told, as W3C Trace Context writes it."""

    def set(self, name: str, value: Attribute) -> None:
        """Set an attribute."""

    def event(self, name: str, attributes: Mapping[str, Attribute]) -> None:
        """Add an event that happens now."""

    def child(self, name: str, attributes: Mapping[str, Attribute] | None = None, *, client: bool = False) -> Span:
        """Begin a part of it; ``client`` says that another server is asked."""

    def end(self, error: str = "", *, at: int | None = None) -> None:
        """End it: now, or at a time in nanoseconds. ``error`` is the kind of an error, and none of its words."""


class Tracer(Protocol):
    """Begins spans, and exports them in the background."""

    def server(self, name: str, headers: Headers, attributes: Mapping[str, Attribute]) -> Span:
        """Begin the span of a request, in the trace that its client may have begun."""

    def linked(self, name: str, to: Span, attributes: Mapping[str, Attribute]) -> Span:
        """Begin a trace of its own that is linked to another one."""

    async def stop(self) -> None:
        """Export what is left, within two seconds."""


class RequestTrace:
    """The trace of one request: its ``root``, and how many spans its checks have had."""

    __slots__ = ("checks", "root")

    def __init__(self, root: Span) -> None:
        self.root = root
        self.checks = 0


# As with a request's id, tasks and threads of a request have copies of its context.
TRACE: ContextVar[RequestTrace | None] = ContextVar("trace", default=None)
_TRACEPARENT: ContextVar[str] = ContextVar("traceparent", default="")


def current_trace() -> RequestTrace | None:
    """Return the trace of the request that is being answered here."""
    return TRACE.get()


def current_traceparent() -> str:
    """Return what a server that is asked now is told of the trace, or an empty text."""
    return _TRACEPARENT.get()


@contextmanager
def sent_under(span: Span) -> Iterator[None]:
    """Have what is asked in this block belong to a span."""
    token = _TRACEPARENT.set(span.traceparent)
    try:
        yield
    finally:
        _TRACEPARENT.reset(token)


@contextmanager
def ended(span: Span) -> Iterator[None]:
    """End a span with the block; an error goes on."""
    try:
        yield
    except BaseException as error:
        span.end(type(error).__name__)
        raise
    span.end()


@contextmanager
def answered_under(trace: RequestTrace) -> Iterator[None]:
    """Have what is done in this block belong to a trace."""
    token = TRACE.set(trace)
    try:
        yield
    finally:
        TRACE.reset(token)
