"""Plugins that keep every promise; the broken ones are made from them."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from postil.plugins import (
    Candidate,
    Completion,
    Config,
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
    Validator,
    Verdict,
    window,
)


class WordConfig(Config):
    """``word`` may not stand in an answer."""

    word: Annotated[str, Field(min_length=1)] = "bad"


class Good(Validator):
    """Keeps every promise."""

    name = "good"
    Config = WordConfig

    def __init__(self, config: WordConfig) -> None:
        super().__init__(config)
        self.scope = window(len(config.word))

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Fail where the word stands."""
        spans = [Span(found.start(), found.end()) for found in re.finditer(self.config.word, completion.text)]
        return Verdict.failed("a bad word", spans) if spans else Verdict.passed()


class GoodAwaited(Good):
    """As good, and awaited."""

    name = "good-awaited"

    async def judge(self, context: RequestContext, completion: Completion) -> Verdict:  # type: ignore[override]
        """Judge in the middle of other work."""
        await asyncio.sleep(0)
        return Good.judge(self, context, completion)


class GoodWhole(Good):
    """A whole word: it needs to see what stands beside it, so its window is larger by two."""

    name = "good-whole"

    def __init__(self, config: WordConfig) -> None:
        super().__init__(config)
        self.scope = window(len(config.word) + 2)

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Leave out what stands at the edge of a part that is not the answer's."""
        text, first = completion.text, 0 if completion.offset == 0 else 1
        last = len(text) if completion.ends else len(text) - 1
        spans = [Span(*one.span()) for one in re.finditer(rf"\b{self.config.word}\b", text)]
        spans = [span for span in spans if span.start >= first and span.end <= last]
        return Verdict.failed("a bad word", spans) if spans else Verdict.passed()


class GoodCheck(InputCheck):
    """Keeps every promise."""

    name = "good-check"

    def check(self, context: RequestContext) -> Verdict:
        """Look at the request as it stands."""
        return Verdict.failed("bad") if "bad" in str(context.request) else Verdict.passed(notice="seen")


class GoodRule(FallbackRule):
    """Keeps every promise."""

    name = "good-rule"

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> Fallback | None:
        """Repeat a short answer, and leave the others to the next rule."""
        return Fallback(completion.text.upper()) if 0 < len(completion.text) < 9 else None


class GoodRouter(Router):
    """Keeps every promise."""

    name = "good-router"

    def route(self, question: RoutingRequest) -> str | None:
        """By one word."""
        return "legal" if "contract" in str(question.request) and "legal" in question.domains else None


class GoodGate(Gate):
    """Keeps every promise."""

    name = "good-gate"

    def check(self, candidate: Candidate, live: Candidate | None) -> Verdict:
        """By one figure."""
        right = candidate.metrics.get("accuracy", 0.0) >= 0.9
        return Verdict.passed() if right else Verdict.failed("its accuracy is below 90 %")


class GoodListener(Listener):
    """Keeps every promise."""

    name = "good-listener"

    def handle(self, notification: Notification) -> None:
        """Print it."""
        print(notification.action, file=sys.stderr)
