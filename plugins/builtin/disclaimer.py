"""``disclaimer``: a sentence that every answer has to hold. With the fallback rule ``append`` it always does."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from postil.plugins.contract import Config, Validator
from postil.plugins.cost import Cost
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.types import Completion, RequestContext, Verdict


class DisclaimerConfig(Config):
    """``text``: the sentence; ``at_end``: nothing but white space may follow it."""

    text: Annotated[str, Field(min_length=1, max_length=20_000)]
    at_end: bool = False


class Disclaimer(Validator):
    """Passes an answer with the sentence, without regard to case and line breaks; it does not look for its meaning.

    An answer that is nothing but tool calls passes: nobody reads it.
    """

    name = "disclaimer"
    Config = DisclaimerConfig
    cost = Cost(ascii=0.1, other=3)

    def __init__(self, config: DisclaimerConfig) -> None:
        super().__init__(config)
        self._text = _plain(config.text)
        if not self._text:
            raise ConfigError("disclaimer: text is nothing but white space; give the sentence")

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Fail where the sentence is not there, or not where it has to be."""
        answer = _plain(completion.text)
        if not answer and completion.tool_calls:
            return Verdict.passed()
        if answer.endswith(self._text) if self.config.at_end else self._text in answer:
            return Verdict.passed()
        return Verdict.failed(f"the required sentence is not {'at its end' if self.config.at_end else 'there'}")


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@hookimpl
def postil_validators() -> Sequence[type[Validator]]:
    """Offer ``disclaimer``."""
    return [Disclaimer]
