"""Counts what a request costs the engine, before any of it is spent. No other file counts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from postil.gateway.errors import BadRequestError, ContextLengthError
from postil.gateway.inference.cost_limits import CostLimits
from postil.gateway.inference.formats import FORMATS, Kind
from postil.gateway.inference.request import CompletionRequest

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


def sequences(kind: Kind, body: Mapping[str, Any]) -> int:
    """How many sequences the engine generates at a time for a request: its prompts, each as often as it has choices."""
    prompts = max(1, FORMATS[kind].count_prompts(body))
    if body.get("n") is None and body.get("best_of") is None:
        return prompts
    return prompts * max(1, *(body.get(name) or 1 for name in _CHOICES))


def cost(kind: Kind, body: Mapping[str, Any]) -> Cost:
    """What a request costs."""
    return Cost(sequences(kind, body), characters(body))


def check_cost(ask: CompletionRequest, limits: CostLimits) -> None:
    """Refuse a request that costs too much, before anything reads its texts.

    Raises BadRequestError, or ContextLengthError if its prompts cannot fit the engine's window.
    """
    check_sequences(ask, limits.sequences)
    _check_characters(ask, limits)


def check_sequences(ask: CompletionRequest, most: int) -> None:
    """Refuse a request for more than ``most`` sequences. Raises BadRequestError."""
    body = ask.body
    if body.get("n") is None and body.get("best_of") is None and FORMATS[ask.kind].count_prompts(body) <= 1:
        return
    for name in _CHOICES:
        if (value := body.get(name) or 1) > most:
            raise BadRequestError(f"{name} is {value}, and a request may ask for {most} answers in all", param=name)
    if (wanted := sequences(ask.kind, body)) > most:
        raise BadRequestError(
            f"prompt and n ask for {wanted} answers, and a request may ask for {most} in all; send fewer prompts",
            param="prompt",
        )


def _check_characters(ask: CompletionRequest, limits: CostLimits) -> None:
    """A body has at least a byte for each character: only a large one has to be counted."""
    most = most_characters(limits)
    if ask.size <= most:
        return
    prompts = max(1, FORMATS[ask.kind].count_prompts(ask.body))
    check_characters(ask.body, limits, prompts, "prompt" if "prompt" in ask.body else "messages")


def most_characters(limits: CostLimits) -> int:
    """More characters than any text has that fits the engine's context."""
    return (limits.window or _UNKNOWN_WINDOW) * CHARACTERS_PER_TOKEN


def check_characters(body: Mapping[str, Any], limits: CostLimits, prompts: int, param: str) -> None:
    """Refuse texts that cannot fit the engine's context. Raises ContextLengthError."""
    most = most_characters(limits)
    if (found := characters(body)) > most * prompts:
        window = "" if limits.window is None else f" of {limits.window} tokens"
        raise ContextLengthError(
            f"the request has {found} characters, and more than {most} for each prompt cannot fit the engine's"
            f" context{window}; send less",
            param=param,
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
    number = max(1, ask.body.get("n") or 1)
    return number if number > 1 or is_batch(ask) else None


def is_batch(ask: CompletionRequest) -> bool:
    """Whether a request has a list of prompts, even of one."""
    return FORMATS[ask.kind].is_batch(ask.body)
