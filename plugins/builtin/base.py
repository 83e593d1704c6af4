"""``base``: ask the base model, without the adapter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from postil.plugins.contract import Config, FallbackRule
from postil.plugins.hookspecs import hookimpl
from postil.plugins.types import AskAgain, Completion, RequestContext, Verdict


class BaseConfig(Config):
    """``instruction``: what the base is told beside the policy's prompt, which it was not trained with."""

    instruction: Annotated[str, Field(min_length=1, max_length=4000)] | None = None


class Base(FallbackRule):
    """Asks the base under the policy of the release that failed, which judges the new answer too."""

    name = "base"
    Config = BaseConfig

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> AskAgain:
        """Ask the base, whatever failed."""
        return AskAgain(release="base", instruction=self.config.instruction)


@hookimpl
def postil_fallback_rules() -> Sequence[type[FallbackRule]]:
    """Offer ``base``."""
    return [Base]
