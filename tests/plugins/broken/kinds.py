"""Input checks, fallback rules, routers, gates and listeners that break a promise, one each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from postil.plugins import (
    AskAgain,
    Candidate,
    Completion,
    Fallback,
    FallbackRule,
    Gate,
    InputCheck,
    Listener,
    Notification,
    RequestContext,
    Router,
    RoutingRequest,
    Span,
    Undecided,
    Verdict,
)


class ChecksWithSpans(InputCheck):
    name = "checks-with-spans"

    def check(self, context: RequestContext) -> Verdict:
        return Verdict.failed("why", [Span(0, 1)])


class ChecksOneShape(InputCheck):
    name = "checks-one-shape"

    def check(self, context: RequestContext) -> Verdict:
        return Verdict.failed("bad") if "bad" in context.request["messages"][-1]["content"] else Verdict.passed()


class AnswersText(FallbackRule):
    name = "answers-text"

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> Any:
        return "sorry"


class AnswersNumber(FallbackRule):
    name = "answers-number"

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> Fallback:
        return Fallback(7)  # type: ignore[arg-type]


class AsksWithASet(FallbackRule):
    name = "asks-with-a-set"

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> AskAgain:
        return AskAgain(sampling={"stop": {"a"}})


class AsksANumber(FallbackRule):
    name = "asks-a-number"

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> AskAgain:
        return AskAgain(release=2)  # type: ignore[arg-type]


class RoutesToANumber(Router):
    name = "routes-to-a-number"

    def route(self, question: RoutingRequest) -> Any:
        return 3


class IsUndecidedAtLength(Router):
    name = "is-undecided-at-length"

    def route(self, question: RoutingRequest) -> Any:
        return Undecided("one\ntwo")


class NeedsFigures(Gate):
    name = "needs-figures"

    def check(self, candidate: Candidate, live: Candidate | None) -> Verdict:
        return Verdict.passed() if candidate.metrics["accuracy"] > 0.9 else Verdict.failed("not accurate")


class Replies(Listener):
    name = "replies"

    def handle(self, notification: Notification) -> Any:
        return "thank you"


class KnowsTwo(Listener):
    name = "knows-two"

    def handle(self, notification: Notification) -> None:
        {"publish": print, "promote": print}[notification.action](notification.subject)
