"""Checks that a plugin keeps the contract: call one of these in a test, whatever runs your tests.

Each makes the component, looks at its class and its configuration, and calls it as postil does: with your inputs and
with odd ones, several times, from many threads, in other processes, and for a validator with a window over every way
to cut a stream. What is not as promised is a BrokenPromiseError, an AssertionError of one sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from postil.plugins.conformance import samples
from postil.plugins.conformance.behaviour import Behaviour
from postil.plugins.conformance.making import check_class, check_refusals, make
from postil.plugins.conformance.promises import BrokenPromiseError, broken, shown
from postil.plugins.conformance.reading import check_model, check_substitute, check_verdict
from postil.plugins.conformance.windows import WindowCheck
from postil.plugins.contract import Component, FallbackRule, Gate, InputCheck, Listener, Router, Validator
from postil.plugins.types import (
    Candidate,
    Completion,
    Notification,
    Outcome,
    RoutingRequest,
    Scope,
    Substitute,
    Undecided,
    Verdict,
)

__all__ = [
    "BrokenPromiseError",
    "check_fallback_rule",
    "check_gate",
    "check_input_check",
    "check_listener",
    "check_router",
    "check_validator",
]

Config = Mapping[str, Any]
Request = str | Mapping[str, Any]


def check_validator(
    component: type[Validator],
    config: Config | None = None,
    *,
    passes: Sequence[str | Completion],
    fails: Sequence[str | Completion],
    bad: Sequence[Config] = (),
    seconds: float = 1.0,
) -> None:
    """Check a validator that has to pass and to fail these answers, made with ``config``.

    ``bad`` are configurations that it has to refuse; ``seconds`` is the deadline of a call. Raises BrokenPromiseError.
    """
    if not passes or not fails:
        raise ValueError("give at least one answer that passes and one that fails, or nothing would be seen")
    made = _made(component, Validator, config, bad)
    _check_scope(component, made)
    good, wrong = ([_completion(text) for text in texts] for texts in (passes, fails))
    calls = [(samples.context(), answer) for answer in (*good, *wrong, *samples.completions())]

    def read(verdict: object, arguments: tuple[Any, ...]) -> Verdict:
        text: str = arguments[1].text
        return check_verdict(component.name, verdict, text, len(text))

    behaviour = Behaviour(made, "judge", seconds, read)
    verdicts = behaviour.results(calls)
    _check_expected(component.name, [answer.text for answer in good], [answer.text for answer in wrong], verdicts)
    behaviour.check(calls, verdicts)
    if made.scope.window is not None:
        WindowCheck(behaviour.caller, made).run([answer.text for answer in (*good, *wrong)])


def check_input_check(
    component: type[InputCheck],
    config: Config | None = None,
    *,
    passes: Sequence[Request],
    fails: Sequence[Request] = (),
    bad: Sequence[Config] = (),
    seconds: float = 1.0,
) -> None:
    """Check an input check that has to pass and to fail these requests; a text is what a user says in a chat.

    Otherwise as ``check_validator``; ``fails`` may be empty, as some only give notices.
    """
    made = _made(component, InputCheck, config, bad)
    calls = [(samples.context(request),) for request in (*passes, *fails, *samples.REQUESTS)]
    behaviour = Behaviour(made, "check", seconds, _verdict_of(component, lambda call: call[0].request))
    verdicts = behaviour.results(calls)
    _check_expected(component.name, passes, fails, verdicts)
    behaviour.check(calls, verdicts)


def check_fallback_rule(
    component: type[FallbackRule],
    config: Config | None = None,
    *,
    answers: Sequence[tuple[str | Completion, Substitute | None]] = (),
    failed_by: str = "a-validator",
    bad: Sequence[Config] = (),
    seconds: float = 1.0,
) -> None:
    """Check a fallback rule; ``answers`` are answers that the validator ``failed_by`` failed.

    Beside each stands what has to be served in its place; None leaves that to the next rule.
    """
    made = _made(component, FallbackRule, config, bad)
    given = [_completion(text) for text, _ in answers]
    failed = Verdict(Outcome.FAILED, "a reason", (), failed_by, "1")
    unrun = Verdict(Outcome.DID_NOT_RUN, "did not run, raised KeyError", (), failed_by, "1")
    calls: list[tuple[Any, ...]] = [
        (samples.context(), answer, (verdict,))
        for verdict in (failed, unrun)
        for answer in (*given, *samples.completions())
    ]

    def read(found: object, arguments: tuple[Any, ...]) -> Substitute | None:
        return check_substitute(component.name, found, arguments[1].text)

    behaviour = Behaviour(made, "answer", seconds, read)
    results = behaviour.results(calls)
    for (_, wanted), answer, found in zip(answers, given, results, strict=False):
        if found != wanted:
            broken(component.name, f"returns {shown(found)} for {shown(answer.text)}, and not {shown(wanted)}")
    behaviour.check(calls, results)


def check_router(
    component: type[Router],
    config: Config | None = None,
    *,
    routes: Sequence[tuple[Request, str | Undecided | None]],
    domains: Sequence[str] | None = None,
    bad: Sequence[Config] = (),
    seconds: float = 0.2,
) -> None:
    """Check a router; ``routes`` are requests, each with what it has to return: a model, None, or Undecided.

    ``domains`` are those that the caller may ask; if left out, those of ``routes``.
    """
    made = _made(component, Router, config, bad)
    named = {model.partition("/")[0]: None for _, model in routes if isinstance(model, str)}
    known = tuple(named if domains is None else domains)
    requests = [*(request for request, _ in routes), *samples.REQUESTS]
    calls = [(RoutingRequest("conformance", known, samples.context(request).request),) for request in requests]

    def read(found: object, arguments: tuple[Any, ...]) -> str | Undecided | None:
        return check_model(component.name, found, arguments[0].request)

    behaviour = Behaviour(made, "route", seconds, read)
    results = behaviour.results(calls)
    for (request, wanted), found in zip(routes, results, strict=False):
        if found != wanted:
            broken(component.name, f"sends {shown(request)} to {found}, and not to {wanted}")
    behaviour.check(calls, results)


def check_gate(
    component: type[Gate],
    config: Config | None = None,
    *,
    passes: Sequence[tuple[Candidate, Candidate | None]],
    fails: Sequence[tuple[Candidate, Candidate | None]],
    bad: Sequence[Config] = (),
    seconds: float = 30.0,
) -> None:
    """Check a gate that has to let these through and to hold those back: pairs of a candidate and what is live."""
    made = _made(component, Gate, config, bad)
    bare = Candidate(samples.RELEASE, {}, {})
    calls: list[tuple[Any, ...]] = [*passes, *fails, (bare, None), (bare, bare)]
    behaviour = Behaviour(made, "check", seconds, _verdict_of(component, lambda call: call[0]))
    verdicts = behaviour.results(calls)
    _check_expected(component.name, passes, fails, verdicts)
    behaviour.check(calls, verdicts)


def check_listener(
    component: type[Listener],
    config: Config | None = None,
    *,
    happenings: Sequence[Notification] = (),
    bad: Sequence[Config] = (),
    seconds: float = 60.0,
) -> None:
    """Check a listener. It hears of each of ``happenings`` once, and of some others."""
    made = _made(component, Listener, config, bad)
    some = [
        Notification(
            action, "healthcare/triage", "somebody", "a reason", datetime(2026, 1, 31, 12, tzinfo=UTC), *numbers
        )
        for action, numbers in (("publish", (None, 1)), ("promote", (None, 1)), ("rollback", (2, 1)), ("unknown", ()))
    ]

    def read(found: object, arguments: tuple[Any, ...]) -> None:
        if found is not None:
            broken(component.name, f"returns {shown(found)} when it hears of {arguments[0].action}; return nothing")

    behaviour = Behaviour(made, "handle", seconds, read)
    behaviour.results([(notification,) for notification in (*happenings, *some)])
    behaviour.check([], [])


def _made(component: type[Component], base: type[Any], config: Config | None, bad: Sequence[Config]) -> Any:
    check_class(component, base)
    made = make(component, config or {})
    check_refusals(component, config or {}, bad)
    return made


def _verdict_of(
    component: type[Component], given: Callable[[tuple[Any, ...]], object]
) -> Callable[[object, tuple[Any, ...]], Verdict]:
    """Reads verdicts on what has no text."""
    return lambda verdict, arguments: check_verdict(component.name, verdict, given(arguments), None)


def _check_scope(component: type[Validator], made: Validator) -> None:
    scope = made.scope
    if not isinstance(scope, Scope) or not (scope.window is None or (type(scope.window) is int and scope.window >= 1)):
        broken(component.name, f"has the scope {shown(scope)}; use FINAL, TOKEN or window(n)")
    again = component.from_mapping(made.config.model_dump()).scope
    if again != scope:
        broken(component.name, f"has the scope {scope} and, made once more with the same configuration, {again}")


def _check_expected(name: str, passes: Sequence[object], fails: Sequence[object], verdicts: Sequence[Verdict]) -> None:
    for at, given in enumerate((*passes, *fails)):
        if verdicts[at].ok and at >= len(passes):
            broken(name, f"passes {shown(given)}, which is among those that fail")
        if not verdicts[at].ok and at < len(passes):
            broken(name, f"fails {shown(given)} ({shown(verdicts[at].reason)}), which is among those that pass")


def _completion(text: str | Completion) -> Completion:
    return Completion(text, "stop") if isinstance(text, str) else text
