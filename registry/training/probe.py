"""Checks that a base can be run as training runs it. Imports torch, so only training imports it.

Training computes what all rows have in common once, takes states and not tokens, and leaves out layers below the first
trained one. Not every architecture allows that, and class names do not tell, so a short text is computed in both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from postil.registry.errors import BaseModelError
from postil.registry.training.forward import Lower, head, run
from postil.registry.training.prompts import Coder

# The largest difference between logits, in their standard deviations; numbers of 16 bits differ more by themselves.
_APART, _APART_16 = 0.01, 0.25
# What code does with a model of another shape.
_FAILED = (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError)


def lowest_layer(model: Any, coder: Coder, first: int) -> int:
    """Return the layer from which on ``model`` can be run alone: ``first``, or 0 where only all layers can.

    Raises BaseModelError where it cannot be trained at all.
    """
    rows, apart = _rows(coder), _APART if model.dtype == torch.float32 else _APART_16
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            plain = [_plain(model, [*coder.shared, *row]) for row in rows]
            if not _agree(lambda: _as_trained(model, coder.shared, rows, 0), plain, apart):
                raise BaseModelError(
                    f"the base ({type(model).__name__}) answers otherwise where a batch shares its beginning, as here;"
                    " take a base that is built like Llama"
                )
            return first if first and _agree(lambda: _as_trained(model, coder.shared, rows, first), plain, apart) else 0
    finally:
        model.train(was_training)


def _rows(coder: Coder) -> list[list[int]]:
    """Return two short rows of different lengths, so that one of them is padded."""
    whole = [*coder.lead, *next(iter(coder.answers.values())).ids]
    return [whole, whole[: len(whole) // 2 + 1]]


def _plain(model: Any, ids: Sequence[int]) -> Tensor:
    logits: Tensor = model(torch.tensor([list(ids)], device=model.device)).logits
    return logits[0, -1].float()


def _as_trained(model: Any, shared: Sequence[int], rows: Sequence[Sequence[int]], first: int) -> Tensor:
    lower = Lower(model, first, shared)
    states = lower.states(rows, [False] * len(rows))
    with lower.upper() as decoder:
        return head(model, run(decoder, lower.shared, states).states[:, -1])


def _agree(compute: Callable[[], Tensor], plain: Sequence[Tensor], apart: float) -> bool:
    try:
        found = compute()
    except _FAILED:
        return False
    return all(bool((one - other).abs().max() <= apart * other.std()) for one, other in zip(found, plain, strict=True))
