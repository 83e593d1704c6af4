"""``input_length``: the messages of a request are neither too short nor too long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from postil.plugins.contract import Config, InputCheck
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.texts import asked
from postil.plugins.types import RequestContext, Verdict


class InputLengthConfig(Config):
    """Characters of all messages together, whoever they are by; pictures and tool calls are not counted."""

    min_characters: Annotated[int, Field(ge=0)] = 0
    max_characters: Annotated[int, Field(ge=1, le=100_000_000)]


class InputLength(InputCheck):
    """Passes a request within the bounds, the bounds included."""

    name = "input_length"
    Config = InputLengthConfig

    def __init__(self, config: InputLengthConfig) -> None:
        super().__init__(config)
        if config.min_characters > config.max_characters:
            raise ConfigError(
                f"input_length: min_characters {config.min_characters} is more than max_characters"
                f" {config.max_characters}; exchange them"
            )

    def check(self, context: RequestContext) -> Verdict:
        """Fail with the length and the bound."""
        found = sum(len(text) for text in asked(context.request, None))
        least, most = self.config.min_characters, self.config.max_characters
        if found < least:
            return Verdict.failed(f"the messages have {found} characters, and {least} are the least")
        if found > most:
            return Verdict.failed(f"the messages have {found} characters, and {most} are the most")
        return Verdict.passed()


@hookimpl
def postil_input_checks() -> Sequence[type[InputCheck]]:
    """Offer ``input_length``."""
    return [InputLength]
