"""Run the model over a batch whose rows share their beginning. Imports torch: only training reaches it.

Layout of a batch: the shared beginning (computed once, its keys and values repeated over the rows), padding, then the
rows, aligned on the right. So the answers end together and only the last few positions need logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache


@dataclass(slots=True)
class Pass:
    """What a forward pass leaves: the last hidden ``states`` (rows, length, width) and what the next one needs."""

    states: Tensor
    cache: DynamicCache
    mask: Tensor
    positions: Tensor


def head(model: Any, states: Tensor) -> Tensor:
    """Logits (rows, vocabulary) of ``states`` (rows, width): two dimensions, which is the fast way on a CPU."""
    logits: Tensor = model.get_output_embeddings()(states)
    return logits.float()


def embed(model: Any, ids: Sequence[int]) -> Tensor:
    """Token embeddings, (length, width)."""
    table = model.get_input_embeddings()
    embedded: Tensor = table(torch.tensor(list(ids), dtype=torch.long, device=table.weight.device))
    return embedded


def run(decoder: Any, shared: Tensor, rows: Sequence[Tensor]) -> Pass:
    """Run ``rows`` (each (length, width)), each after ``shared``. Gradients flow throughout."""
    cache = DynamicCache()
    if len(shared):
        decoder(inputs_embeds=shared[None], past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(len(rows))
    states = pad_sequence(list(rows), batch_first=True, padding_side="left")
    real = pad_sequence(
        [row.new_ones(len(row), dtype=torch.long) for row in rows], batch_first=True, padding_side="left"
    )
    mask = torch.cat([real.new_ones(len(rows), len(shared)), real], dim=1)
    positions = len(shared) + (real.cumsum(1) - 1).clamp(min=0)
    return _pass(decoder, states, cache, mask, positions)


def step(decoder: Any, before: Pass, states: Tensor) -> Pass:
    """Go on by one token per row, ``states`` (rows, width)."""
    mask = torch.cat([before.mask, before.mask.new_ones(len(states), 1)], dim=1)
    return _pass(decoder, states[:, None], before.cache, mask, before.positions[:, -1:] + 1)


def _pass(decoder: Any, states: Tensor, cache: DynamicCache, mask: Tensor, positions: Tensor) -> Pass:
    out = decoder(
        inputs_embeds=states,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
    )
    return Pass(out.last_hidden_state, cache, mask, positions)


class Lower:
    """The layers below ``first``, which training leaves alone: run once per text, and remembered."""

    def __init__(self, model: Any, first: int, shared: Sequence[int]) -> None:
        self._model, self._first = model, first
        self._decoder = model.get_decoder()
        self._known: dict[tuple[int, ...], Tensor] = {}
        self._shared_ids = embed(model, shared).detach()
        computed = first and len(shared)
        self.shared = self._states([self._shared_ids], prefixed=False)[0] if computed else self._shared_ids

    def states(self, rows: Sequence[Sequence[int]]) -> list[Tensor]:
        """What the first tuned layer sees of every row, (length, width)."""
        if not self._first:
            return [embed(self._model, row).detach() for row in rows]
        new = [tuple(row) for row in rows if tuple(row) not in self._known]
        if new:
            computed = self._states([embed(self._model, row).detach() for row in new], prefixed=True)
            self._known.update(zip(new, computed, strict=True))
        return [self._known[tuple(row)] for row in rows]

    def _states(self, rows: Sequence[Tensor], prefixed: bool) -> list[Tensor]:
        shared = self._shared_ids if prefixed else self._shared_ids[:0]
        with torch.no_grad(), _only(self._decoder, slice(0, self._first)):
            out = run(self._decoder, shared, rows).states
        return [states[-len(row) :].clone() for states, row in zip(out, rows, strict=True)]

    @contextmanager
    def upper(self) -> Iterator[Any]:
        """Within, the decoder is its upper layers only and takes ``states`` as its input."""
        with _only(self._decoder, slice(self._first, None)):
            yield self._decoder


@contextmanager
def _only(decoder: Any, part: slice) -> Iterator[None]:
    """Reduce ``decoder`` to some of its layers; without the last one it has no final norm either."""
    layers, norm = decoder.layers, decoder.norm
    kept = layers[part]
    decoder.layers = kept
    if part.stop is not None:
        decoder.norm = nn.Identity()
    _number(kept)
    try:
        yield
    finally:
        decoder.layers, decoder.norm = layers, norm
        _number(layers)


def _number(layers: Any) -> None:
    """The cache keeps keys and values by a layer's number, counted from the first one that runs."""
    for number, layer in enumerate(layers):
        layer.self_attn.layer_idx = number
