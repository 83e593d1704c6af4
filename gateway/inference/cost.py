"""Counts what a request costs the engine. No other file counts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.formats import FORMATS, Kind
from postil.gateway.inference.request import CompletionRequest

# Both ask for several answers to one prompt; an engine that knows both generates as many as the larger one says.
_CHOICES = ("n", "best_of")


def cost(kind: Kind, body: Mapping[str, Any]) -> int:
    """How many sequences the engine generates at a time for a request: its prompts, each as often as it has choices."""
    prompts = max(1, FORMATS[kind].count_prompts(body))
    if body.get("n") is None and body.get("best_of") is None:
        return prompts
    return prompts * max(1, *(_number(body.get(name)) for name in _CHOICES))


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
    if (wanted := cost(ask.kind, ask.body)) > most:
        raise BadRequestError(
            f"prompt and n ask for {wanted} answers, and a request may ask for {most} in all; send fewer prompts",
            param="prompt",
        )


def choices_per_prompt(ask: CompletionRequest) -> int | None:
    """How many choices each prompt gets, where there are several choices in all; else None."""
    number = max(1, _number(ask.body.get("n")))
    return number if number > 1 or is_batch(ask) else None


def is_batch(ask: CompletionRequest) -> bool:
    """Whether a request has a list of prompts, even of one."""
    return FORMATS[ask.kind].is_batch(ask.body)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 1
