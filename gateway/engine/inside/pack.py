"""The adapters' weights of one layer, packed for multiplication: no empty ranks, the slices beside each other."""

from __future__ import annotations

import weakref
from collections.abc import Sequence, Set

import torch

Stacks = Sequence[torch.Tensor]
Operands = tuple[torch.Tensor | None, list[torch.Tensor]]


class Pack:
    """A copy in float32 of the slots that were in use, made again as soon as vLLM has changed a stack.

    ``a`` is (slots, slices * rank, inputs); ``b[s]`` is (slots, rank, outputs of slice s). ``rank`` is the highest that
    an adapter in use really has in this layer, not the one that vLLM made room for; 0 if none changes this layer.
    vLLM's stacks are (slots, 1, max rank, inputs) and (slots, 1, outputs, max rank); an embedding has none of the
    first, because its products with A are look-ups.
    """

    def __init__(self, a_stacks: Stacks, b_stacks: Stacks) -> None:
        self._stacks = [weakref.ref(stack) for stack in (*a_stacks, *b_stacks)]
        self._stamp: list[tuple[int, int]] = []
        self._ranks: dict[int, int] = {}
        self.rank = 0
        self.a: torch.Tensor | None = None
        self.b: list[torch.Tensor] = []
        self._operands: dict[tuple[int, int], Operands] = {}

    def belongs_to(self, a_stacks: Stacks, b_stacks: Stacks) -> bool:
        """Whether it is the pack of these very tensors."""
        given = (*a_stacks, *b_stacks)
        return len(given) == len(self._stacks) and all(map(_refers, self._stacks, given))

    def current(self, a_stacks: Stacks, b_stacks: Stacks) -> bool:
        """Whether it is the pack of these very tensors, and none has changed since ``prepare``."""
        return self.belongs_to(a_stacks, b_stacks) and self._stamp == _stamp(a_stacks, b_stacks)

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
            self._add(a_stacks, b_stacks, new)
        return frozenset(slot for slot in slots if self._ranks[slot])

    def operands(self, first: int, last: int) -> Operands:
        """What rows of the slots ``[first, last)`` are multiplied by: A transposed, and a B for each slice. Views."""
        key = (first, last)
        if key not in self._operands:
            a = None if self.a is None else self.a[first:last].transpose(1, 2)
            self._operands[key] = (a, [b[first:last] for b in self.b])
        return self._operands[key]

    def _add(self, a_stacks: Stacks, b_stacks: Stacks, new: Set[int]) -> None:
        first = not self._ranks
        ranks = self._ranks | {slot: _rank(a_stacks, b_stacks, slot) for slot in new}
        rank = max(ranks.values())
        # What is there is kept if it fits; after a change it may also have become too large.
        if rank > self.rank or (first and rank < self.rank):
            self._allocate(a_stacks, b_stacks, rank)
            new = ranks.keys()
        # Until the copies are made the slots count as unknown.
        self._ranks = {slot: known for slot, known in self._ranks.items() if slot not in new}
        for slot in new:
            if ranks[slot]:
                self._copy(a_stacks, b_stacks, slot)
        self._ranks = ranks

    def _allocate(self, a_stacks: Stacks, b_stacks: Stacks, rank: int) -> None:
        self.rank = rank
        self.a, self.b, self._operands = None, [], {}
        if not rank:
            return
        # Outside inference mode, so that they may be written to in any mode later.
        with torch.inference_mode(False):
            if a_stacks:
                first = a_stacks[0]
                shape = (first.size(0), len(a_stacks) * rank, first.size(3))
                self.a = torch.zeros(shape, dtype=torch.float32, device=first.device)
            self.b = [
                torch.zeros((stack.size(0), rank, stack.size(2)), dtype=torch.float32, device=stack.device)
                for stack in b_stacks
            ]

    def _copy(self, a_stacks: Stacks, b_stacks: Stacks, slot: int) -> None:
        rank = self.rank
        if self.a is not None:
            for place, stack in enumerate(a_stacks):
                self.a[slot, place * rank : (place + 1) * rank].copy_(stack[slot, 0, :rank])
        for packed, stack in zip(self.b, b_stacks, strict=True):
            packed[slot].copy_(stack[slot, 0, :, :rank].t())


def _stamp(a_stacks: Stacks, b_stacks: Stacks) -> list[tuple[int, int]]:
    """Every write to a tensor or a view of it raises its version: the same stamp is the same weights."""
    return [(stack.data_ptr(), stack._version) for stack in (*a_stacks, *b_stacks)]


def _refers(ref: weakref.ref[torch.Tensor], stack: torch.Tensor) -> bool:
    return ref() is stack


def _rank(a_stacks: Stacks, b_stacks: Stacks, slot: int) -> int:
    """One more than the last rank that is not zero; vLLM fills up with zeros. Of A if there is one: it is smaller."""
    used = [stack[slot, 0].ne(0).any(dim=1) for stack in a_stacks]
    used = used or [stack[slot, 0].ne(0).any(dim=0) for stack in b_stacks]
    return max((int(nonzero[-1]) + 1 for row in used if len(nonzero := row.nonzero())), default=0)
