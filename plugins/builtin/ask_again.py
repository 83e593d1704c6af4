"""``ask_again``: ask the same release once more, in a tighter way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, JsonValue, field_validator

from postil.plugins.contract import Config, FallbackRule
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.types import AskAgain, Completion, RequestContext, Verdict

# They say who is asked and for what, or how the answer comes: that is not how it is sampled.
_NOT_SAMPLING = frozenset(
    {"model", "messages", "prompt", "stream", "stream_options", "n", "cache_salt", "user", "logprobs", "top_logprobs",
     "tools", "tool_choice"}
)  # fmt: skip


class AskAgainConfig(Config):
    """``sampling`` is put over the policy's own, ``instruction`` is added as a last message of the system.

    One of them at least: the same question at temperature 0 has the same answer.
    """

    sampling: dict[str, JsonValue] = Field(default_factory=dict)
    instruction: Annotated[str, Field(min_length=1, max_length=4000)] | None = None

    @field_validator("sampling")
    @classmethod
    def _only_sampling(cls, sampling: dict[str, JsonValue]) -> dict[str, JsonValue]:
        wrong = sorted(_NOT_SAMPLING & set(sampling))
        if wrong:
            raise ValueError(f"{wrong[0]} is no sampling parameter; leave it out")
        return sampling


class Tighter(FallbackRule):
    """Asks again under other sampling or with an instruction; the new answer is judged as the first was."""

    name = "ask_again"
    Config = AskAgainConfig

    def __init__(self, config: AskAgainConfig) -> None:
        super().__init__(config)
        if not config.sampling and config.instruction is None:
            raise ConfigError("ask_again: it would ask the same again; give sampling or an instruction")

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> AskAgain:
        """Ask this release again, whatever failed."""
        return AskAgain(sampling=self.config.sampling, instruction=self.config.instruction)


@hookimpl
def postil_fallback_rules() -> Sequence[type[FallbackRule]]:
    """Offer ``ask_again``."""
    return [Tighter]
