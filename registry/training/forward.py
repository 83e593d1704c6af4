"""Runs the model over a batch of rows with a common prefix. Imports torch, so only training imports it.

Layout of a batch: the shared prefix (computed once, its keys and values repeated for the rows), padding, then the rows,
aligned to the right. All answers therefore end at the same position, and only the last few positions need logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint
from transformers import DynamicCache
from transformers.modeling_layers import GradientCheckpointingLayer

from postil.registry.training.batches import ANSWERING, batches, is_long

# Bytes of states that are kept for later epochs, on the device where the training is.
KEPT = 1 << 30


@dataclass(slots=True)
class Pass:
    """The result of a forward pass: the last hidden ``states`` (rows, length, width) and the state for the next one."""

    states: Tensor
    cache: DynamicCache
    mask: Tensor
    positions: Tensor


def head(model: Any, states: Tensor) -> Tensor:
    """Return the logits (rows, vocabulary) of ``states`` (rows, width); two dimensions are faster on a CPU."""
    logits: Tensor = model.get_output_embeddings()(states).float()
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return torch.tanh(logits / cap) * cap if cap else logits


def embed(model: Any, ids: Sequence[int]) -> Tensor:
    """Return the token embeddings (length, width)."""
    table = model.get_input_embeddings()
    embedded: Tensor = table(torch.tensor(list(ids), dtype=torch.long, device=table.weight.device))
    return embedded


def run(decoder: Any, shared: Tensor, rows: Sequence[Tensor]) -> Pass:
    """Run ``rows``, each (length, width), after the ``shared`` prefix. Gradients flow through everything."""
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


def run_whole(decoder: Any, shared: Tensor, row: Tensor) -> Tensor:
    """Run one row with its prefix, keeping nothing for a next pass, and return its last hidden states.

    Gradients flow through everything.
    """
    out = decoder(inputs_embeds=torch.cat([shared, row])[None], use_cache=False)
    states: Tensor = out.last_hidden_state
    return states


@contextmanager
def sparing(decoder: Any, *, gradients: bool = False) -> Iterator[None]:
    """Compute a long row with less memory, within the block: the attention is never held as a whole.

    With ``gradients``, which have to be computed in the block too, the layers are computed once more for them, and
    nothing can be cached.
    """
    config = decoder.config
    layers = [one for one in decoder.modules() if gradients and isinstance(one, GradientCheckpointingLayer)]
    before, config._attn_implementation = config._attn_implementation, "sdpa"
    for layer in layers:
        layer.gradient_checkpointing = True
        layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
    try:
        yield
    finally:
        config._attn_implementation = before
        for layer in layers:
            layer.gradient_checkpointing = False


def step(decoder: Any, before: Pass, states: Tensor) -> Pass:
    """Extend every row by one token; ``states`` is (rows, width)."""
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
    """The layers below ``first``, which are not trained: computed once per text that comes again, and kept.

    At most ``room`` bytes are kept; what does not fit is computed again whenever it comes.
    """

    def __init__(self, model: Any, first: int, shared: Sequence[int], room: int = KEPT) -> None:
        self._model, self._first, self._room = model, first, room
        self._decoder = model.get_decoder()
        self._known: dict[tuple[int, ...], Tensor] = {}
        self._shared_ids = embed(model, shared).detach()
        computed = first and len(shared)
        self.shared = self._states([self._shared_ids], prefixed=False)[0] if computed else self._shared_ids

    def states(self, rows: Sequence[Sequence[int]], lasting: Sequence[bool]) -> list[Tensor]:
        """Return the input of the first trained layer for every row, each (length, width).

        ``lasting`` says which rows come again: noise makes texts that do not, and keeping them would fill the memory.
        """
        if not self._first:
            return [embed(self._model, row).detach() for row in rows]
        keys = [tuple(row) for row in rows]
        new = list(dict.fromkeys(key for key in keys if key not in self._known))
        found = {key: self._known[key] for key in keys if key in self._known}
        for part in batches([len(row) for row in new], len(self._shared_ids), ANSWERING, len(rows)):
            chosen = [new[place] for place in part]
            computed = self._states([embed(self._model, row).detach() for row in chosen], prefixed=True)
            found.update(zip(chosen, computed, strict=True))
        for key in {key for key, again in zip(keys, lasting, strict=True) if again} & {*new}:
            self._keep(key, found[key])
        return [found[key] for key in keys]

    def _keep(self, row: tuple[int, ...], states: Tensor) -> None:
        if states.nbytes <= self._room:
            self._room -= states.nbytes
            self._known[row] = states

    def _states(self, rows: Sequence[Tensor], prefixed: bool) -> list[Tensor]:
        shared = self._shared_ids if prefixed else self._shared_ids[:0]
        long = is_long(max(map(len, rows)), len(shared), ANSWERING)
        spare = sparing(self._decoder) if long else nullcontext()
        with torch.no_grad(), _only(self._decoder, slice(0, self._first)), spare:
            out = run(self._decoder, shared, rows).states
        return [states[-len(row) :].clone() for states, row in zip(out, rows, strict=True)]

    @contextmanager
    def upper(self) -> Iterator[Any]:
        """Reduce the decoder to its upper layers within the block; it then takes ``states`` as input."""
        with _only(self._decoder, slice(self._first, None)) if self._first else nullcontext():
            yield self._decoder


@contextmanager
def _only(decoder: Any, part: slice) -> Iterator[None]:
    """Reduce ``decoder`` to some of its layers; without the last layer it also has no final norm."""
    layers, norm = decoder.layers, decoder.norm
    kept = layers[part]
    try:
        decoder.layers = kept
        if part.stop is not None:
            decoder.norm = nn.Identity()
        _number(kept)
        yield
    finally:
        decoder.layers, decoder.norm = layers, norm
        _number(layers)


def _number(layers: Any) -> None:
    """Renumber the layers from the first one that runs, because the cache is indexed by layer number."""
    for number, layer in enumerate(layers):
        layer.self_attn.layer_idx = number
