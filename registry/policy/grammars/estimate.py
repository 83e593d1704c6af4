"""How long a constraint keeps vLLM busy, in milliseconds of one CPU core; the figures fit xgrammar 0.2.8."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Estimate(NamedTuple):
    """What a constraint takes: ``compile`` once, in a thread of the engine's; ``front`` for each request.

    vLLM's API server checks each request's constraint before it does anything else, even one that it has seen before.
    """

    compile: float = 0.0
    front: float = 0.0


def written(text: str) -> int:
    """How long a text is in a grammar, which is one of bytes; too long rather than too short."""
    return len(text) if text.isascii() else 4 * len(text)


def total(estimates: Iterable[Estimate]) -> Estimate:
    """What several constraints take together."""
    compiling = front = 0.0
    for estimate in estimates:
        compiling += estimate.compile
        front += estimate.front
    return Estimate(compiling, front)
