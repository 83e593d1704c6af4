"""Plugins whose verdict is none, or says too little or too much, one fault each."""

from __future__ import annotations

import sys
from typing import Any

from postil.plugins import (
    Completion,
    Outcome,
    RequestContext,
    Span,
    Verdict,
)
from tests.plugins.broken.good import Good


class SaysTrue(Good):
    name = "says-true"

    def judge(self, context: RequestContext, completion: Completion) -> Any:
        return True


class SaysUnrun(Good):
    name = "says-unrun"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict(Outcome.DID_NOT_RUN, "not today")


class NoReason(Good):
    name = "no-reason"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.failed("") if "bad" in completion.text else Verdict.passed()


class NumberForReason(Good):
    name = "number-for-reason"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.failed(7) if "bad" in completion.text else Verdict.passed()  # type: ignore[arg-type]


class FailsWithNotice(Good):
    name = "fails-with-notice"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict(Outcome.FAILED, "why", notice="see a doctor") if "bad" in completion.text else Verdict.passed()


class SpansBeside(Good):
    name = "spans-beside"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        at = completion.text.find("bad")
        return Verdict.passed() if at < 0 else Verdict.failed("why", [Span(at, at + 99)])


class SpansAsPairs(Good):
    name = "spans-as-pairs"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.failed("why", [(0, 3)]) if "bad" in completion.text else Verdict.passed()  # type: ignore[list-item]


class PassesWithSpans(Good):
    name = "passes-with-spans"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict(Outcome.PASSED, "", [Span(0, 1)])


class Blind(Good):
    name = "blind"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.passed()


class Strict(Good):
    name = "strict"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.failed("no answer is good enough")


class Raises(Good):
    name = "raises"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.passed() if completion.text[0] != "b" else Verdict.failed("it begins with a b")


class Exits(Good):
    name = "exits"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        sys.exit(1)
