"""The adapters' weights of one layer, packed for multiplication: no empty ranks, the slices beside each other."""

from __future__ import annotations

import weakref
from collections.abc import Sequence, Set

import torch

from postil.gateway.engine.vllm_plugin.kernel import Weights

Stacks = Sequence[torch.Tensor]


class Pack:
    """A copy in float32 of the slots that were in use, made again as soon as vLLM has changed a stack.

    ``a`` is (slots, slices * rank, inputs); ``b`` is (slots, rank * outputs), slice after slice, and ``b_of[s]`` the
    part of slice s, (slots, rank, its outputs). ``rank`` is the highest that an adapter in use really has in this
    layer, not the one that vLLM made room for; 0 if none changes this layer. ``weights`` is all of it for the loops.
    vLLM's stacks are (slots, 1, max rank, inputs) and (slots, 1, outputs, max rank); an embedding has none of the
    first, because its products with A are look-ups.
    """

    def __init__(self, a_stacks: Stacks, b_stacks: Stacks) -> None:
        self._stacks = [weakref.ref(stack) for stack in (*a_stacks, *b_stacks)]
        self._stamp: list[tuple[int, int]] = []
        self._ranks: dict[int, list[int]] = {}
        self.rank = 0
        self.edition = 0
        self.a: torch.Tensor | None = None
        self.b: torch.Tensor | None = None
        self.b_of: list[torch.Tensor] = []
        self.weights: Weights | None = None

    def belongs_to(self, a_stacks: Stacks, b_stacks: Stacks) -> bool:
        """Whether it is the pack of these very tensors."""
        given = (*a_stacks, *b_stacks)
        return len(given) == len(self._stacks) and all(map(_refers, self._stacks, given))

    def unchanged(self, edition: int, a_stacks: Stacks, b_stacks: Stacks) -> bool:
        """Whether these stacks, which it is the pack of, and what was taken of it in that edition are as they were."""
        return edition == self.edition and self._stamp == _stamp(a_stacks, b_stacks)

    @property
    def forgotten(self) -> bool:
        """Whether a stack it was made of is gone."""
        return any(ref() is None for ref in self._stacks)

    def prepare(self, a_stacks: Stacks, b_stacks: Stacks, slots: Set[int]) -> frozenset[int]:
        """Bring ``slots`` up to date. Returns those of them whose adapter changes this layer."""
        stamp = _stamp(a_stacks, b_stacks)
        if stamp != self._stamp:
            self._stamp = stamp
            self._ranks = {}
        new = slots - self._ranks.keys()
        if new:
            # What was made of it before may have other tensors, or ranks that are no longer so.
            self.edition += 1
            self._add(a_stacks, b_stacks, new)
        return frozenset(slot for slot in slots if any(self._ranks[slot]))

    def _add(self, a_stacks: Stacks, b_stacks: Stacks, new: Set[int]) -> None:
        first = not self._ranks
        ranks = self._ranks | {slot: _ranks(a_stacks, b_stacks, slot) for slot in new}
        rank = max(max(known) for known in ranks.values())
        # What is there is kept if it fits; after a change it may also have become too large.
        if rank > self.rank or (first and rank < self.rank):
            self._allocate(a_stacks, b_stacks, rank)
            new = ranks.keys()
        # Until the copies are made the slots count as unknown.
        self._ranks = {slot: known for slot, known in self._ranks.items() if slot not in new}
        for slot in new:
            if any(ranks[slot]):
                self._copy(a_stacks, b_stacks, slot)
        self._bind(ranks, [stack.size(2) for stack in b_stacks])
        self._ranks = ranks

    def _allocate(self, a_stacks: Stacks, b_stacks: Stacks, rank: int) -> None:
        self.rank = rank
        self.a, self.b, self.b_of = None, None, []
        if not rank:
            return
        slots, device = b_stacks[0].size(0), b_stacks[0].device
        widths = [stack.size(2) for stack in b_stacks]
        # Outside inference mode, so that they may be written to in any mode later.
        with torch.inference_mode(False):
            if a_stacks:
                shape = (slots, len(a_stacks) * rank, a_stacks[0].size(3))
                self.a = torch.zeros(shape, dtype=torch.float32, device=device)
            self.b = torch.zeros((slots, rank * sum(widths)), dtype=torch.float32, device=device)
            parts = self.b.split([rank * width for width in widths], dim=1)
            self.b_of = [part.view(slots, rank, width) for part, width in zip(parts, widths, strict=True)]

    def _bind(self, ranks: dict[int, list[int]], widths: list[int]) -> None:
        self.weights = None
        if self.a is not None and self.b is not None:
            unused = [0] * len(widths)
            listed = torch.tensor([ranks.get(slot, unused) for slot in range(len(self.a))])
            self.weights = Weights(self.a, self.b, listed, widths)

    def _copy(self, a_stacks: Stacks, b_stacks: Stacks, slot: int) -> None:
        rank = self.rank
        if self.a is not None:
            for place, stack in enumerate(a_stacks):
                self.a[slot, place * rank : (place + 1) * rank].copy_(stack[slot, 0, :rank])
        for packed, stack in zip(self.b_of, b_stacks, strict=True):
            packed[slot].copy_(stack[slot, 0, :, :rank].t())


def _stamp(a_stacks: Stacks, b_stacks: Stacks) -> list[tuple[int, int]]:
    """Every write to a tensor or a view of it raises its version: the same stamp is the same weights."""
    return [(stack.data_ptr(), stack._version) for stack in (*a_stacks, *b_stacks)]


def _refers(ref: weakref.ref[torch.Tensor], stack: torch.Tensor) -> bool:
    return ref() is stack


def _ranks(a_stacks: Stacks, b_stacks: Stacks, slot: int) -> list[int]:
    """By slice, one more than the last rank that is not zero; vLLM fills up with zeros. Of A if any: it is smaller."""
    used = [stack[slot, 0].ne(0).any(dim=1) for stack in a_stacks]
    used = used or [stack[slot, 0].ne(0).any(dim=0) for stack in b_stacks]
    return [int(nonzero[-1]) + 1 if len(nonzero := row.nonzero()) else 0 for row in used]
