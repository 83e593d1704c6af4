"""``error``: the client gets an error, with a sentence of the policy's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from postil.plugins.contract import Config, FallbackRule
from postil.plugins.hookspecs import hookimpl
from postil.plugins.types import Completion, Fail, RequestContext, Verdict


class ErrorConfig(Config):
    """``message``: what the client reads."""

    message: Annotated[str, Field(min_length=1, max_length=1000)]


class Error(FallbackRule):
    """Ends the chain: no rule after it is tried."""

    name = "error"
    Config = ErrorConfig

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> Fail:
        """Return the message, whatever failed."""
        return Fail(self.config.message)


@hookimpl
def postil_fallback_rules() -> Sequence[type[FallbackRule]]:
    """Offer ``error``."""
    return [Error]
