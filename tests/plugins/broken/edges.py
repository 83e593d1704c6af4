"""Plugins that judge a part of an answer otherwise than the whole, one fault each."""

from __future__ import annotations

import re

from postil.plugins import (
    Completion,
    RequestContext,
    Span,
    Verdict,
    window,
)
from tests.plugins.broken.good import Good, GoodWhole, WordConfig


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
