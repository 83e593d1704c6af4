"""Run the model over a batch whose rows share their beginning. Imports torch: only training reaches it.

Layout of a batch: the shared beginning (computed once, its keys and values repeated over the rows), padding, then the
rows, aligned on the right. So the answers end together and only the last few positions need logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache


@dataclass(slots=True)
class Pass:
    """What a forward pass leaves: ``logits`` (rows, kept positions, vocabulary) and what the next one needs."""

    logits: Tensor
    cache: DynamicCache
    mask: Tensor
    positions: Tensor


def run(model: Any, shared: Sequence[int], rows: Sequence[Sequence[int]], keep: int) -> Pass:
    """Run ``rows``, each after ``shared``; logits of the last ``keep`` positions. Gradients flow throughout."""
    cache = DynamicCache()
    if shared:
        model(input_ids=torch.tensor([list(shared)]), past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(len(rows))
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in rows])
    real = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    mask = torch.cat([torch.ones(len(rows), len(shared), dtype=torch.long), real], dim=1)
    positions = len(shared) + (real.cumsum(1) - 1).clamp(min=0)
    return _pass(model, ids, cache, mask, positions, keep)


def step(model: Any, before: Pass, tokens: Sequence[int]) -> Pass:
    """Go on by one token per row."""
    ids = torch.tensor(tokens)[:, None]
    mask = torch.cat([before.mask, torch.ones_like(ids)], dim=1)
    return _pass(model, ids, before.cache, mask, before.positions[:, -1:] + 1, 1)


def _pass(model: Any, ids: Tensor, cache: DynamicCache, mask: Tensor, positions: Tensor, keep: int) -> Pass:
    out = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=keep,
    )
    return Pass(out.logits, cache, mask, positions)
