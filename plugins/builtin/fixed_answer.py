"""``fixed_answer``: serve a text that the policy holds ready, such as ``{"category": "needs_review"}``."""

from __future__ import annotations

from collections.abc import Sequence

from postil.plugins.contract import Config, FallbackRule
from postil.plugins.hookspecs import hookimpl
from postil.plugins.types import Completion, Fallback, RequestContext, Verdict


class FixedAnswerConfig(Config):
    """``content``: the text that is served."""

    content: str


class FixedAnswer(FallbackRule):
    """Always the same answer."""

    name = "fixed_answer"
    Config = FixedAnswerConfig

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> Fallback | None:
        """Return the configured content, whatever failed."""
        return Fallback(self.config.content)


@hookimpl
def postil_fallback_rules() -> Sequence[type[FallbackRule]]:
    """Offer ``fixed_answer``."""
    return [FixedAnswer]
