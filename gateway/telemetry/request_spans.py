"""Writes into a request's span which release answered, and how it ended. An observer of requests."""

from __future__ import annotations

from typing import Protocol

from postil.gateway.telemetry import conventions as names
from postil.gateway.telemetry.request_metrics import FinishedRequest, outcome_of
from postil.gateway.telemetry.trace import current_trace
from postil.plugins import ReleaseRef


class StartedRequest(Protocol):
    """What is read of a request that begins."""

    @property
    def tenant(self) -> str:
        """Who asks; empty for an admin."""

    @property
    def reason(self) -> str:
        """Why this release answers."""

    @property
    def ref(self) -> ReleaseRef:
        """The release that answers."""


class RequestSpans:
    """Tells the span of the request that is being answered. One that is sent on to another release says the last."""

    def started(self, record: StartedRequest) -> None:
        """Say which release answers, and why."""
        trace = current_trace()
        if trace is None:
            return
        root, ref = trace.root, record.ref
        root.set(names.ADAPTER, ref.name)
        root.set(names.RELEASE, str(ref))
        root.set(names.REASON, record.reason)
        if record.tenant:
            root.set(names.TENANT, record.tenant)

    def finished(self, record: FinishedRequest) -> None:
        """Say how it ended."""
        trace = current_trace()
        if trace is None:
            return
        trace.root.set(names.OUTCOME, outcome_of(record))
        if record.first_chunk:
            trace.root.set(names.FIRST_CHUNK, record.first_chunk)
