"""Counts what a request costs the engine, before any of it is spent. No other file counts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from postil.gateway.errors import BadRequestError, ContextLengthError
from postil.gateway.inference.formats import FORMATS, Kind
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.settings import Settings
from postil.gateway.tenancy.quota import Quota

# Both ask for several answers to one prompt; an engine that knows both generates as many as the larger one says.
_CHOICES = ("n", "best_of")
# More than any text has for each token: English has 4, and long blanks and lines of dashes some more.
CHARACTERS_PER_TOKEN = 16
# The window of an engine that is somebody else's, where no setting says it.
_UNKNOWN_WINDOW = 131_072


class Cost(NamedTuple):
    """What a request costs: the sequences that are generated at a time, and the characters of its prompts."""

    sequences: int
    characters: int


@dataclass(frozen=True, slots=True)
class CostLimits:
    """What one request may cost. ``window`` is the engine's context in tokens, None where it is not known.

    ``slots`` is how many sequences the engine runs at a time: a tenant's own limit allows no more.
    """

    sequences: int
    output_tokens: int
    schema_bytes: int
    window: int | None
    slots: int

    @classmethod
    def of(cls, settings: Settings) -> CostLimits:
        """The limits of a tenant that has none of its own."""
        return cls(
            settings.max_sequences,
            settings.tenant_output_tokens,
            settings.tenant_schema_kib << 10,
            settings.window,
            settings.max_concurrent_requests,
        )

    def for_tenant(self, quota: Quota | None) -> CostLimits:
        """The limits of one tenant."""
        if quota is None or quota.sequences is quota.output_tokens is quota.schema_kib is None:
            return self
        return replace(
            self,
            sequences=min(quota.sequences, self.slots) if quota.sequences else self.sequences,
            output_tokens=quota.output_tokens or self.output_tokens,
            schema_bytes=quota.schema_kib << 10 if quota.schema_kib else self.schema_bytes,
        )


def sequences(kind: Kind, body: Mapping[str, Any]) -> int:
    """How many sequences the engine generates at a time for a request: its prompts, each as often as it has choices."""
    prompts = max(1, FORMATS[kind].count_prompts(body))
    if body.get("n") is None and body.get("best_of") is None:
        return prompts
    return prompts * max(1, *(_number(body.get(name)) for name in _CHOICES))


def cost(kind: Kind, body: Mapping[str, Any]) -> Cost:
    """What a request costs."""
    return Cost(sequences(kind, body), characters(body))


def check_cost(ask: CompletionRequest, limits: CostLimits) -> CompletionRequest:
    """Refuse a request that costs too much, before anything reads its texts; return it with its other bounds.

    Raises BadRequestError, or ContextLengthError if its prompts cannot fit the engine's window.
    """
    check_sequences(ask, limits.sequences)
    _check_characters(ask, limits)
    return replace(ask, output_tokens=limits.output_tokens, schema_bytes=limits.schema_bytes, window=limits.window)


def check_sequences(ask: CompletionRequest, most: int) -> None:
    """Refuse a request for more than ``most`` sequences. Raises BadRequestError.

    What an engine might take for a number of choices, and is none here, is refused too: it would not be counted.
    """
    body = ask.body
    if body.get("n") is None and body.get("best_of") is None and FORMATS[ask.kind].count_prompts(body) <= 1:
        return
    for name in _CHOICES:
        value = body.get(name)
        if value is not None and type(value) is not int:
            raise BadRequestError(f"{name} has to be a whole number", param=name)
        if value is not None and value > most:
            raise BadRequestError(f"{name} is {value}, and a request may ask for {most} answers in all", param=name)
    if (wanted := sequences(ask.kind, ask.body)) > most:
        raise BadRequestError(
            f"prompt and n ask for {wanted} answers, and a request may ask for {most} in all; send fewer prompts",
            param="prompt",
        )


def _check_characters(ask: CompletionRequest, limits: CostLimits) -> None:
    """A body has at least a byte for each character: only a large one has to be counted."""
    most = (limits.window or _UNKNOWN_WINDOW) * CHARACTERS_PER_TOKEN
    if ask.size <= most:
        return
    prompts = max(1, FORMATS[ask.kind].count_prompts(ask.body))
    if (found := characters(ask.body)) > most * prompts:
        window = "" if limits.window is None else f" of {limits.window} tokens"
        raise ContextLengthError(
            f"the request has {found} characters, and more than {most} for each prompt cannot fit the engine's"
            f" context{window}; send less",
            param="prompt" if "prompt" in ask.body else "messages",
        )


def characters(body: Mapping[str, Any]) -> int:
    """The characters of all texts in a request; a token id counts as a token's."""
    total = 0
    rest: list[Any] = [body]
    while rest:
        part = rest.pop()
        if isinstance(part, str):
            total += len(part)
        elif isinstance(part, dict):
            total += sum(map(len, part))
            rest += part.values()
        elif isinstance(part, list):
            if part and type(part[0]) is type(part[-1]) is int:
                total += len(part) * CHARACTERS_PER_TOKEN
            else:
                rest += part
    return total


def choices_per_prompt(ask: CompletionRequest) -> int | None:
    """How many choices each prompt gets, where there are several choices in all; else None."""
    number = max(1, _number(ask.body.get("n")))
    return number if number > 1 or is_batch(ask) else None


def is_batch(ask: CompletionRequest) -> bool:
    """Whether a request has a list of prompts, even of one."""
    return FORMATS[ask.kind].is_batch(ask.body)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 1
