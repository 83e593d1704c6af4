"""Plugins whose verdict depends on more than what they are asked, or comes too late, one fault each."""

from __future__ import annotations

import asyncio
import os
import threading
import time

from postil.plugins import (
    Completion,
    RequestContext,
    Span,
    Verdict,
)
from tests.plugins.broken.good import Good, GoodAwaited


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


class PointsBeside(Good):
    """What it returns to an answer that it has seen before is no verdict on that answer."""

    name = "points-beside"
    seen: frozenset[str] = frozenset()

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        verdict = super().judge(context, completion)
        if verdict.ok or completion.text not in self.seen:
            self.seen |= {completion.text}
            return verdict
        return Verdict.failed("a bad word", [Span(0, len(completion.text) + 1)])


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
