"""``length``: the answer is neither too short nor too long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from postil.plugins.contract import Config, Validator
from postil.plugins.cost import Cost
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.types import Completion, RequestContext, Verdict

Bound = Annotated[int, Field(ge=0, le=10_000_000)] | None


class LengthConfig(Config):
    """Bounds, each of which may be left out; words are what white space parts."""

    min_characters: Bound = None
    max_characters: Bound = None
    min_words: Bound = None
    max_words: Bound = None


class Length(Validator):
    """Passes an answer within the bounds, the bounds included. Tool calls are not counted, nor asked to have text."""

    name = "length"
    Config = LengthConfig
    cost = Cost(ascii=0.05, other=0.1)

    def __init__(self, config: LengthConfig) -> None:
        super().__init__(config)
        self._bounds = (
            ("characters", config.min_characters, config.max_characters),
            ("words", config.min_words, config.max_words),
        )
        if all(least is None and most is None for _, least, most in self._bounds):
            raise ConfigError("length: it has no bounds; give one of min_ or max_characters, min_ or max_words")
        for unit, least, most in self._bounds:
            if least is not None and most is not None and least > most:
                raise ConfigError(f"length: min_{unit} {least} is more than max_{unit} {most}; exchange them")

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Fail with the length and the bound."""
        found = {"characters": len(completion.text), "words": len(completion.text.split())}
        for unit, least, most in self._bounds:
            if least is not None and found[unit] < least and not (completion.tool_calls and not completion.text):
                return Verdict.failed(f"the answer has {found[unit]} {unit}, and {least} are the least")
            if most is not None and found[unit] > most:
                return Verdict.failed(f"the answer has {found[unit]} {unit}, and {most} are the most")
        return Verdict.passed()


@hookimpl
def postil_validators() -> Sequence[type[Validator]]:
    """Offer ``length``."""
    return [Length]
