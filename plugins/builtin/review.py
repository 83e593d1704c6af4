"""``review``: a person decides; until then the client gets a holding answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from postil.plugins.contract import Config, FallbackRule
from postil.plugins.hookspecs import hookimpl
from postil.plugins.types import Completion, Hold, RequestContext, Verdict


class ReviewConfig(Config):
    """``content``: the holding answer."""

    content: Annotated[str, Field(max_length=20_000)]


class Review(FallbackRule):
    """Opens a review with the answer that failed, and holds it back."""

    name = "review"
    Config = ReviewConfig

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> Hold:
        """Return the holding answer, whatever failed."""
        return Hold(self.config.content)


@hookimpl
def postil_fallback_rules() -> Sequence[type[FallbackRule]]:
    """Offer ``review``."""
    return [Review]
