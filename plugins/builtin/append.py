"""``append``: serve the answer with a text after it, where that text was all that it lacked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from postil.plugins.contract import Config, FallbackRule
from postil.plugins.hookspecs import hookimpl
from postil.plugins.types import Completion, Fallback, Outcome, RequestContext, Verdict


class AppendConfig(Config):
    """``content`` follows the answer after ``separator``. ``mends``: the validators that it satisfies."""

    content: Annotated[str, Field(min_length=1, max_length=20_000)]
    separator: Annotated[str, Field(max_length=100)] = "\n\n"
    mends: Annotated[tuple[str, ...], Field(min_length=1)] = ("disclaimer",)


class Append(FallbackRule):
    """The answer and a text, if nothing failed but what ``mends`` names; otherwise the next rule is tried.

    The result is not judged again: an answer that another validator failed, or that a validator did not get to see,
    never leaves by this way.
    """

    name = "append"
    Config = AppendConfig

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> Fallback | None:
        """Return both texts, or None."""
        mended = all(one.outcome is Outcome.FAILED and one.validator in self.config.mends for one in verdicts)
        if not verdicts or not mended or not completion.text or completion.tool_calls:
            return None
        text = completion.text + self.config.separator + self.config.content
        return Fallback(text, completion.finish_reason or "stop")


@hookimpl
def postil_fallback_rules() -> Sequence[type[FallbackRule]]:
    """Offer ``append``."""
    return [Append]
