"""Runs validators and input checks, each within its deadline; one that did not run did not pass."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from postil.gateway.inference.guardrails.traced_checks import traced_check, traced_rule
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.plugin_host.call import AT_ONCE_SECONDS, Pending, call, result_of
from postil.gateway.plugin_host.ports import DidNotRunError, Isolation
from postil.gateway.telemetry.trace import RequestTrace, current_trace
from postil.plugins import Completion, FallbackRule, Outcome, RequestContext, Span, Substitute, Verdict
from postil.plugins.contract import Component
from postil.registry.policy.policy import CheckUse, FallbackUse

log = logging.getLogger(__name__)
_RULE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The verdicts in the policy's order, and those that keep the answer from being sent."""

    verdicts: Sequence[Verdict]
    failed: Sequence[Verdict]


async def evaluate_output(
    isolation: Isolation, release: LoadedRelease, context: RequestContext, completion: Completion
) -> Evaluation:
    """Run every validator of a release on one answer."""
    checks, ask = len(release.validators), _asking()
    calls = [
        (use, ask(isolation, release, use, validator, "judge", (context, completion), checks))
        for use, validator in release.validators
    ]
    return await _judged(calls, len(completion.text))


async def evaluate_input(isolation: Isolation, release: LoadedRelease, context: RequestContext) -> Evaluation:
    """Run every input check of a release on one request."""
    checks, ask = len(release.inputs), _asking()
    calls = [
        (use, ask(isolation, release, use, checker, "check", (context,), checks)) for use, checker in release.inputs
    ]
    return await _judged(calls, 0)


async def run_fallback(
    isolation: Isolation, release: LoadedRelease, use: FallbackUse, rule: FallbackRule, arguments: tuple[Any, ...]
) -> Substitute | None:
    """Ask a fallback rule for a substitute. Raises DidNotRunError."""
    ask = partial(_substitute, isolation, release, use, rule, arguments)
    trace = current_trace()
    return await (ask() if trace is None else traced_rule(trace, use.name, ask))


async def _substitute(
    isolation: Isolation, release: LoadedRelease, use: FallbackUse, rule: FallbackRule, arguments: tuple[Any, ...]
) -> Substitute | None:
    try:
        found = await result_of(call(isolation, release.ref.domain, rule, "answer", arguments, _RULE_SECONDS))
    except DidNotRunError as error:
        log.warning("fallback rule %s of %s did not run: it %s", use.name, release.ref, error)
        raise
    return found if isinstance(found, Substitute) else None


async def _judged(calls: Sequence[tuple[CheckUse, Verdict | Awaitable[Verdict]]], length: int) -> Evaluation:
    """Those that have to be waited for are waited for together."""
    waiting = [call for _, call in calls if not isinstance(call, Verdict)]
    waited = iter(await asyncio.gather(*waiting)) if waiting else iter(())
    verdicts = [_within(call if isinstance(call, Verdict) else next(waited), length) for _, call in calls]
    failed = [
        verdict
        for verdict, (use, _) in zip(verdicts, calls, strict=True)
        if not (verdict.ok or (verdict.outcome is Outcome.DID_NOT_RUN and use.if_not_run == "pass"))
    ]
    return Evaluation(verdicts, failed)


def _asking() -> Callable[..., Verdict | Awaitable[Verdict]]:
    """How checks are asked: where traces are on, each is a span."""
    trace = current_trace()
    return _ask if trace is None else partial(_ask_traced, trace)


def _ask_traced(
    trace: RequestTrace, isolation: Isolation, release: LoadedRelease, use: CheckUse, *rest: Any
) -> Verdict | Awaitable[Verdict]:
    return traced_check(trace, use.name, partial(_ask, isolation, release, use, *rest))


def _ask(
    isolation: Isolation,
    release: LoadedRelease,
    use: CheckUse,
    component: Component,
    method: str,
    arguments: tuple[Any, ...],
    checks: int,
) -> Verdict | Awaitable[Verdict]:
    """A verdict at once where the component is ours and quick, else one to wait for.

    The ``checks`` of a release share what they may take of the loop's time.
    """
    try:
        found = call(
            isolation,
            release.ref.domain,
            component,
            method,
            arguments,
            use.deadline_ms / 1000,
            at_once_seconds=AT_ONCE_SECONDS / checks,
        )
        return _waited(use, component, release, found) if isinstance(found, Pending) else _read(use, component, found)
    except DidNotRunError as error:
        return _did_not_run(use, component, release, str(error))


async def _waited(use: CheckUse, component: Component, release: LoadedRelease, pending: Pending) -> Verdict:
    try:
        return _read(use, component, await pending.result())
    except DidNotRunError as error:
        return _did_not_run(use, component, release, str(error))


def _read(use: CheckUse, component: Component, verdict: object) -> Verdict:
    """The verdict under its name; anything else than a verdict is none."""
    if not isinstance(verdict, Verdict):
        raise DidNotRunError(f"returned {type(verdict).__name__}, not a Verdict")
    # Written out: `dataclasses.replace` costs ten times as much, for each validator of each request.
    return Verdict(
        verdict.outcome, verdict.reason, verdict.spans, use.name, component.version, verdict.notice, verdict.review
    )


def _did_not_run(use: CheckUse, component: Component, release: LoadedRelease, why: str) -> Verdict:
    # Only the kind of an error: its text may quote the answer, and logs carry none.
    log.warning("%s of %s did not run: it %s", use.name, release.ref, why)
    return Verdict(Outcome.DID_NOT_RUN, f"did not run, {why}", (), use.name, component.version)


def _within(verdict: Verdict, length: int) -> Verdict:
    """A verdict whose spans lie in the text; one that points elsewhere means all of it."""
    if not verdict.spans or all(0 <= span.start < span.end <= length for span in verdict.spans):
        return verdict
    return replace(verdict, spans=(Span(0, length),))
