"""Plugins that break a promise, one each. The good ones that they are made from come first."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
import time
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from postil.plugins import (
    AskAgain,
    Candidate,
    Completion,
    Config,
    Fallback,
    FallbackRule,
    Gate,
    InputCheck,
    Listener,
    Notification,
    Outcome,
    RequestContext,
    Router,
    RoutingRequest,
    Scope,
    Span,
    Validator,
    Verdict,
    window,
)

BAD = re.compile("bad")


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


class NoName(Good):
    name = ""


class ShoutedName(Good):
    name = "Bad Words"


class NoVersion(Good):
    name, version = "no-version", 2  # type: ignore[assignment]


class Abstract(Validator):
    name = "abstract"


class NoConfigModel(Good):
    name = "no-config-model"
    Config = dict  # type: ignore[assignment]


class Changeable(Good):
    name = "changeable"

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid")
        word: str = "bad"


class NoSchema(Good):
    name = "no-schema"

    class Config(WordConfig):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        lock: threading.Event | None = None


class TakesAll(Good):
    name = "takes-all"

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True)
        word: str = "bad"


class ReadsAnything(Good):
    name = "reads-anything"

    class Config(WordConfig):
        word: Annotated[str, BeforeValidator(str)] = "bad"


class NotByItsOwn(Good):
    name = "not-by-its-own"

    class Config(WordConfig):
        word: str = Field("bad", alias="wort")


class MadeDifferently(Good):
    name = "made-differently"

    class Config(WordConfig):
        @field_validator("word")
        @classmethod
        def _longer(cls, word: str) -> str:
            return f"{word}d"


class KeepsNothing(Good):
    name = "keeps-nothing"

    def __init__(self, config: WordConfig) -> None:
        self.word = config.word


class RaisesWhenMade(Good):
    name = "raises-when-made"

    def __init__(self, config: WordConfig) -> None:
        super().__init__(config)
        re.compile(config.word)


class TakesBad(Good):
    name = "takes-bad"


class RefusesAtLength(Good):
    name = "refuses-at-length"

    class Config(WordConfig):
        @field_validator("word")
        @classmethod
        def _short(cls, word: str) -> str:
            if len(word) > 9:
                raise ValueError("too long\nwrite a shorter one")
            return word


class NoScope(Good):
    name = "no-scope"

    def __init__(self, config: WordConfig) -> None:
        super().__init__(config)
        self.scope = Scope(0)


class OtherScope(Good):
    name = "other-scope"
    made: list[int] = []  # noqa: RUF012 - that is its fault

    def __init__(self, config: WordConfig) -> None:
        super().__init__(config)
        self.made.append(1)
        self.scope = window(2 + len(self.made))


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


class Edits(Good):
    name = "edits"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        context.request["messages"].append({"role": "user", "content": "more"})
        return super().judge(context, completion)


class Counts(Good):
    name = "counts"
    asked = 0

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        self.asked += 1
        return Verdict.failed(f"the answer {self.asked}") if "bad" in completion.text else Verdict.passed()


class LeavesLying(Good):
    name = "leaves-lying"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        self.text = completion.text
        time.sleep(0.001)
        return super().judge(context, Completion(self.text))


class LeavesLyingAwaited(GoodAwaited):
    name = "leaves-lying-awaited"

    async def judge(self, context: RequestContext, completion: Completion) -> Verdict:  # type: ignore[override]
        self.text = completion.text
        await asyncio.sleep(0)
        return Good.judge(self, context, Completion(self.text))


class Sleeps(Good):
    name = "sleeps"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        threading.Event().wait()
        return Verdict.passed()


class Dawdles(Good):
    name = "dawdles"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        time.sleep(0.15)
        return super().judge(context, completion)


class Raises(Good):
    name = "raises"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.passed() if completion.text[0] != "b" else Verdict.failed("it begins with a b")


class Exits(Good):
    name = "exits"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        sys.exit(1)


class InSetOrder(Good):
    name = "in-set-order"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        found = {f"{word}{number}" for word in completion.text.split() for number in range(20)}
        return Verdict.failed(f"it holds {next(iter(found))}") if "bad" in completion.text else Verdict.passed()


class ByProcess(Good):
    name = "by-process"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.failed(f"process {os.getpid()}") if "bad" in completion.text else Verdict.passed()


class EndsElsewhere(Good):
    name = "ends-elsewhere"
    home = int(os.environ.setdefault("POSTIL_TEST_HOME_PROCESS", str(os.getpid())))

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        if os.getpid() != self.home:
            raise RuntimeError("not at home")
        return super().judge(context, completion)


class TooSmall(Good):
    name = "too-small"

    def __init__(self, config: WordConfig) -> None:
        super().__init__(config)
        self.scope = window(len(config.word) - 1)


class AsksForLength(Good):
    """A text that is too short in the whole is not too short for a part of it."""

    name = "asks-for-length"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.failed("too short") if len(completion.text) < 12 else super().judge(context, completion)


class ForgetsTheEdge(GoodWhole):
    """Takes the edge of a part for the edge of a word."""

    name = "forgets-the-edge"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        found = re.search(rf"\b{self.config.word}\b", completion.text)
        return Verdict.failed("a bad word", [Span(*found.span())]) if found else Verdict.passed()


class ForgetsThatTheEdgeCounts(GoodWhole):
    """It has to see the edge, and its window has no room for it."""

    name = "forgets-that-the-edge-counts"

    def __init__(self, config: WordConfig) -> None:
        super().__init__(config)
        self.scope = window(len(config.word))


class NoThirteen(Good):
    """Lets parts of thirteen characters through, whatever they hold."""

    name = "no-thirteen"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        if len(completion.text) == 13 and not completion.ends and completion.offset == 0:
            return Verdict.passed()
        return super().judge(context, completion)


class ChecksWithSpans(InputCheck):
    name = "checks-with-spans"

    def check(self, context: RequestContext) -> Verdict:
        return Verdict.failed("why", [Span(0, 1)])


class ChecksOneShape(InputCheck):
    name = "checks-one-shape"

    def check(self, context: RequestContext) -> Verdict:
        return Verdict.failed("bad") if "bad" in context.request["messages"][-1]["content"] else Verdict.passed()


class GoodCheck(InputCheck):
    """Keeps every promise."""

    name = "good-check"

    def check(self, context: RequestContext) -> Verdict:
        """Look at the request as it stands."""
        return Verdict.failed("bad") if "bad" in str(context.request) else Verdict.passed(notice="seen")


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


class GoodRule(FallbackRule):
    """Keeps every promise."""

    name = "good-rule"

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> Fallback | None:
        """Repeat a short answer, and leave the others to the next rule."""
        return Fallback(completion.text.upper()) if 0 < len(completion.text) < 9 else None


class RoutesToANumber(Router):
    name = "routes-to-a-number"

    def route(self, question: RoutingRequest) -> Any:
        return 3


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


class GoodListener(Listener):
    """Keeps every promise."""

    name = "good-listener"

    def handle(self, notification: Notification) -> None:
        """Print it."""
        print(notification.action, file=sys.stderr)


def unfindable() -> type[Validator]:
    """A class that no other process can find."""

    class Hidden(Good):
        name = "hidden"

    return Hidden


class LateOnce(Good):
    """Slow the first time, as on a machine that is busy with other things."""

    name = "late-once"
    asked = 0

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Take longer than a tenth of a second, once."""
        self.asked += 1
        if self.asked == 1:
            time.sleep(0.15)
        return Verdict.passed()


class OneAtATime(Good):
    name = "one-at-a-time"
    busy = False

    async def judge(self, context: RequestContext, completion: Completion) -> Verdict:  # type: ignore[override]
        if self.busy:
            raise RuntimeError("busy")
        self.busy = True
        await asyncio.sleep(0.001)
        self.busy = False
        return Verdict.passed()


class HangsElsewhere(EndsElsewhere):
    name = "hangs-elsewhere"

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        if os.getpid() != self.home:
            threading.Event().wait()
        return Verdict.passed()
