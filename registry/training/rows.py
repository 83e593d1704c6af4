"""The training examples as token ids, and their order. Imports torch, so only training imports it.

Order and noise follow from the seed, the epoch and the example alone, so that a run can go on where another ended.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices

from postil.registry.training.dataset import Example
from postil.registry.training.noise import disturb
from postil.registry.training.options import TrainOptions
from postil.registry.training.prompts import Coder

# An epoch and the place of an example.
Draw = tuple[int, int]


class Rows:
    """The training examples as token ids, each drawn with its epoch; the typing noise differs from epoch to epoch."""

    def __init__(self, coder: Coder, examples: Sequence[Example], options: TrainOptions) -> None:
        self._coder, self._examples = coder, examples
        self._noise, self._seed = options.noise, options.seed

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, draw: Draw) -> dict[str, Any]:
        epoch, place = draw
        example = self._examples[place]
        message = disturb(example.message, self._noise, random.Random(f"{self._seed} {epoch} {place}"))
        answer = self._coder.answers[example.label].ids
        ids = [*self._coder.tail(example, message), *answer]
        return {"input_ids": ids, "answer": len(answer), "lasting": message == example.message}

    def taught(self) -> Iterator[tuple[int, list[int], list[bool]]]:
        """Yield of every example, without noise, its line, all its tokens, and which of them are trained."""
        for one in self._examples:
            answer = self._coder.answers[one.label].ids
            ids = [*self._coder.shared, *self._coder.tail(one), *answer]
            yield one.line, ids, [at >= len(ids) - len(answer) for at in range(len(ids))]

    def lengths(self) -> list[int]:
        """Return the number of tokens of every example without noise."""
        return [len(self._coder.tail(one)) + len(self._coder.answers[one.label].ids) for one in self._examples]


class Order(Sampler[Draw]):
    """All examples once an epoch, in an order of its own, with those of similar length in one step."""

    def __init__(self, lengths: Sequence[int], per_step: int, seed: int) -> None:
        self._lengths, self._per_step, self._seed = list(lengths), per_step, seed
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[Draw]:
        chance = torch.Generator().manual_seed(random.Random(f"{self._seed} {self._epoch}").getrandbits(63))
        for place in get_length_grouped_indices(self._lengths, self._per_step, generator=chance):
            yield self._epoch, place

    def set_epoch(self, epoch: int) -> None:
        """Order the examples as in that epoch; the Trainer calls it."""
        self._epoch = epoch


def collect(examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a batch; ``lasting`` says which rows come again in another epoch, just as they are."""
    return {
        "rows": [one["input_ids"] for one in examples],
        "lengths": [one["answer"] for one in examples],
        "lasting": [one["lasting"] for one in examples],
    }
