"""Validators and input checks judge: each in its place, within its deadline, and what did not run did not pass."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, TypeGuard

from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.plugin_host.ports import DidNotRunError, Isolation
from postil.plugins import Completion, FallbackRule, Outcome, RequestContext, Span, Substitute, Verdict
from postil.plugins.contract import Component
from postil.registry.policy.policy import CheckUse, FallbackUse

log = logging.getLogger(__name__)
_RULE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The verdicts in the policy's order, and those of them that keep it from leaving."""

    verdicts: Sequence[Verdict]
    failed: Sequence[Verdict]


async def evaluate_output(
    isolation: Isolation, release: LoadedRelease, context: RequestContext, completion: Completion
) -> Evaluation:
    """Ask every validator of a release about one answer."""
    calls = [
        (use, _ask(isolation, release, "validator", use, validator, "judge", (context, completion)))
        for use, validator in release.validators
    ]
    return await _judged(calls, len(completion.text))


async def evaluate_input(isolation: Isolation, release: LoadedRelease, context: RequestContext) -> Evaluation:
    """Ask every input check of a release about one request."""
    calls = [
        (use, _ask(isolation, release, "input check", use, checker, "check", (context,)))
        for use, checker in release.inputs
    ]
    return await _judged(calls, 0)


async def run_fallback(
    isolation: Isolation, release: LoadedRelease, use: FallbackUse, rule: FallbackRule, arguments: tuple[Any, ...]
) -> Substitute | None:
    """Ask a fallback rule for a substitute. Raises DidNotRunError."""
    function = rule.answer
    try:
        if rule in release.isolated:
            config = rule.config.model_dump()
            found = await isolation.call(
                release.ref.domain, "fallback rule", use.name, config, "answer", arguments, _RULE_SECONDS
            )
        elif _is_awaited(function):
            found = await _timed(partial(function, *arguments), _RULE_SECONDS)
        else:
            found = function(*arguments)
    except DidNotRunError as error:
        log.warning("fallback rule %s of %s did not run: it %s", use.name, release.ref, error)
        raise
    except (Exception, SystemExit) as error:
        log.warning("fallback rule %s of %s raised %s", use.name, release.ref, type(error).__name__)
        raise DidNotRunError(f"raised {type(error).__name__}") from error
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


def _ask(
    isolation: Isolation,
    release: LoadedRelease,
    kind: str,
    use: CheckUse,
    component: Component,
    method: str,
    arguments: tuple[Any, ...],
) -> Verdict | Awaitable[Verdict]:
    """A verdict at once where the component is ours and quick, else one to wait for."""
    seconds = use.deadline_ms / 1000
    if component in release.isolated:
        made = partial(
            isolation.call,
            release.ref.domain,
            kind,
            use.name,
            component.config.model_dump(),
            method,
            arguments,
            seconds,
        )
        return _waited(use, component, release, made)
    function = getattr(component, method)
    if _is_awaited(function):
        return _waited(use, component, release, partial(_timed, partial(function, *arguments), seconds))
    if getattr(component, "blocking", False):
        threaded = partial(asyncio.to_thread, function, *arguments)
        return _waited(use, component, release, partial(_timed, threaded, seconds))
    try:
        return _read(use, component, function(*arguments))
    except DidNotRunError as error:
        return _did_not_run(use, component, release, str(error))
    except (Exception, SystemExit) as error:
        return _did_not_run(use, component, release, f"raised {type(error).__name__}")


def _is_awaited(function: Callable[..., Any]) -> TypeGuard[Callable[..., Awaitable[Any]]]:
    """Whether it is asynchronous. Asked for each validator and each token of a stream, so methods are known again."""
    method = getattr(function, "__func__", None)
    return inspect.iscoroutinefunction(function) if method is None else _is_coroutine_function(method)


_is_coroutine_function = lru_cache(maxsize=1024)(inspect.iscoroutinefunction)


async def _waited(
    use: CheckUse, component: Component, release: LoadedRelease, made: Callable[[], Awaitable[Any]]
) -> Verdict:
    try:
        return _read(use, component, await made())
    except DidNotRunError as error:
        return _did_not_run(use, component, release, str(error))
    except (Exception, SystemExit) as error:
        return _did_not_run(use, component, release, f"raised {type(error).__name__}")


async def _timed(made: Callable[[], Awaitable[Any]], seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds):
            return await made()
    except TimeoutError:
        raise DidNotRunError(f"took longer than {seconds * 1000:.0f} ms") from None


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
