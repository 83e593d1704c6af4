"""The spans of checks: so many for a request, each with an end, whatever becomes of its check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from postil.gateway.inference.guardrails.traced_checks import MOST_CHECKS, traced_check, traced_rule
from postil.gateway.telemetry.otel import OtelTracer
from postil.gateway.telemetry.trace import RequestTrace
from postil.plugins import Fallback, Outcome, Substitute, Verdict

PASSED = Verdict(Outcome.PASSED, "it quotes a secret", (), "length", "1")


@pytest.fixture
def exported() -> InMemorySpanExporter:
    """The spans that ended."""
    return InMemorySpanExporter()


@pytest.fixture
def trace(exported: InMemorySpanExporter) -> RequestTrace:
    """The trace of one request."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return RequestTrace(OtelTracer(provider).server("POST /", [], {}))


def test_a_request_has_so_many_spans_of_checks_and_the_rest_is_counted(
    trace: RequestTrace, exported: InMemorySpanExporter
) -> None:
    for _ in range(MOST_CHECKS + 3):
        assert traced_check(trace, "length", lambda: PASSED) is PASSED
    trace.root.end()
    *checks, root = exported.get_finished_spans()
    assert len(checks) == MOST_CHECKS
    assert root.attributes == {"postil.validations_left_out": 3}
    assert "secret" not in "".join(span.to_json() for span in checks)


async def test_a_check_that_is_waited_for_ends_its_span_with_its_verdict(
    trace: RequestTrace, exported: InMemorySpanExporter
) -> None:
    may_end = asyncio.Event()

    async def check() -> Verdict:
        await may_end.wait()
        return PASSED

    found = traced_check(trace, "length", check)
    assert isinstance(found, Awaitable)
    waiting = asyncio.ensure_future(found)
    await asyncio.sleep(0)
    assert exported.get_finished_spans() == ()
    may_end.set()
    assert await waiting is PASSED
    [span] = exported.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["postil.verdict"] == "passed"


async def test_a_check_whose_request_is_left_ends_its_span_as_an_error(
    trace: RequestTrace, exported: InMemorySpanExporter
) -> None:
    async def check() -> Verdict:
        raise asyncio.CancelledError

    found = traced_check(trace, "length", check)
    assert isinstance(found, Awaitable)
    with pytest.raises(asyncio.CancelledError):
        await found
    [span] = exported.get_finished_spans()
    assert span.attributes == {"postil.validator": "length", "error.type": "CancelledError"}
    assert not span.status.is_ok


@pytest.mark.parametrize(("found", "said"), [(Fallback("a secret"), "Fallback"), (None, "none")])
async def test_a_rule_says_what_it_put_in_the_answers_place_and_not_its_words(
    trace: RequestTrace, exported: InMemorySpanExporter, found: Substitute | None, said: str
) -> None:
    async def ask() -> Substitute | None:
        return found

    assert await traced_rule(trace, "fixed_answer", ask) is found
    [span] = exported.get_finished_spans()
    assert (span.name, span.attributes) == ("postil.fallback fixed_answer", {"postil.substitute": said})
