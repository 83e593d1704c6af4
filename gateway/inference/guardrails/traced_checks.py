"""Spans of validators, input checks and fallback rules, with what they said: a kind of verdict, and no words of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from postil.gateway.telemetry import conventions as names
from postil.gateway.telemetry.trace import RequestTrace, Span, ended
from postil.plugins import Substitute, Verdict

# A long answer is judged in many parts; a trace tells of so many, and how many it left out.
MOST_CHECKS = 100


def traced_check(
    trace: RequestTrace, name: str, ask: Callable[[], Verdict | Awaitable[Verdict]]
) -> Verdict | Awaitable[Verdict]:
    """Ask a check, as a span of the trace."""
    trace.checks += 1
    if trace.checks > MOST_CHECKS:
        trace.root.set(names.LEFT_OUT, trace.checks - MOST_CHECKS)
        return ask()
    span = trace.root.child(f"{names.VALIDATE} {name}", {names.VALIDATOR: name})
    found = ask()
    if not isinstance(found, Verdict):
        return _waited(span, found)
    _tell(span, found)
    span.end()
    return found


async def traced_rule(
    trace: RequestTrace, name: str, ask: Callable[[], Awaitable[Substitute | None]]
) -> Substitute | None:
    """Ask a fallback rule, as a span of the trace."""
    span = trace.root.child(f"{names.FALLBACK} {name}")
    with ended(span):
        found = await ask()
        span.set(names.SUBSTITUTE, "none" if found is None else type(found).__name__)
        return found


async def _waited(span: Span, pending: Awaitable[Verdict]) -> Verdict:
    with ended(span):
        verdict = await pending
        _tell(span, verdict)
        return verdict


def _tell(span: Span, verdict: Verdict) -> None:
    outcome = verdict.outcome.value
    span.set(names.VERDICT, outcome)
    span.set(names.VALIDATOR_VERSION, verdict.version)
    span.event(names.EVALUATION, {names.EVALUATION_NAME: verdict.validator, names.EVALUATION_LABEL: outcome})
