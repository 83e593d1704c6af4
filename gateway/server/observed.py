"""Who sees the requests of a process: the analysis, shadows, metrics and, where they are on, traces."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from postil.gateway.engine.client import EngineClient
from postil.gateway.inference.context import InferenceContext
from postil.gateway.inference.pipeline import answered
from postil.gateway.inference.record import RequestObserver
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.shadow import AgreementCounts, Shadows
from postil.gateway.inference.traced import TracedLeases, TracedMeter, TracedReviews
from postil.gateway.settings.otel import traces_endpoint
from postil.gateway.telemetry import conventions as names
from postil.gateway.telemetry.head_lines import traced_lines
from postil.gateway.telemetry.request_metrics import RequestMetrics
from postil.gateway.telemetry.request_spans import RequestSpans
from postil.gateway.telemetry.sums import Sums
from postil.gateway.telemetry.trace import RequestTrace, Tracer, answered_under, current_trace, ended
from postil.gateway.telemetry.tracing import open_tracer
from postil.gateway.tenancy.directory import Caller

Complete = Callable[[Caller, CompletionRequest], Awaitable[bytes]]


def open_traces() -> Tracer | None:
    """Return what makes traces; None where nothing is to be exported. Raises SettingsError."""
    endpoint = traces_endpoint(os.environ)
    return None if endpoint is None else open_tracer(endpoint)


def observed(
    plain: InferenceContext,
    client: EngineClient,
    analysis: RequestObserver,
    keep: Callable[[AgreementCounts], None],
    sums: Sums,
    tracer: Tracer | None,
) -> tuple[InferenceContext, Shadows]:
    """Return the context whose requests are seen, and the shadows that get copies of them."""
    complete: Complete = partial(answered, plain.for_shadows())
    observers: tuple[RequestObserver, ...] = ()
    if tracer is not None:
        client.lines = traced_lines
        plain = _traced(plain, tracer)
        complete = partial(_copied, tracer, partial(answered, plain.for_shadows()))
        observers = (RequestSpans(),)
    shadows = Shadows(complete, keep)
    return replace(plain, observers=(analysis, shadows, RequestMetrics(sums), *observers)), shadows


def _traced(plain: InferenceContext, tracer: Tracer) -> InferenceContext:
    return replace(
        plain,
        tracer=tracer,
        leases=TracedLeases(plain.leases),
        meter=TracedMeter.of(plain.meter),
        reviews=TracedReviews(plain.reviews),
    )


async def _copied(tracer: Tracer, complete: Complete, caller: Caller, copy: CompletionRequest) -> bytes:
    """Answer a copy for a shadow in a trace of its own, linked to that of the request."""
    trace = current_trace()
    if trace is None:
        return await complete(caller, copy)
    root = tracer.linked(names.SHADOW, trace.root, {names.RELEASE: str(copy.model)})
    with ended(root), answered_under(RequestTrace(root)):
        return await complete(caller, copy)
