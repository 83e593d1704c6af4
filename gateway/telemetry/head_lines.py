"""What another server is told of the request that is being answered: lines of the head of what it is asked."""

from __future__ import annotations

from postil.gateway.telemetry.request_id import current
from postil.gateway.telemetry.trace import current_traceparent


def request_line() -> bytes:
    """Return the line with the request's id, if there is one."""
    return f"x-request-id: {named}\r\n".encode() if (named := current()) else b""


def traced_lines() -> bytes:
    """Return the same, and the line with the span that asks."""
    told = current_traceparent()
    return request_line() + (f"traceparent: {told}\r\n".encode() if told else b"")
