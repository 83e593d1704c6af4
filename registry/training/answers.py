"""The model's answers under a label constraint, with probabilities. Imports torch, so only training imports it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from postil.registry.training.batches import ANSWERING, batches, is_long
from postil.registry.training.dataset import Example
from postil.registry.training.forward import embed, head, run, sparing, step
from postil.registry.training.prompts import Coder, ModelAnswer
from postil.registry.training.report import Judged

BATCH = 32


@dataclass(slots=True)
class _Walk:
    """The state of one row's decoding; ``truth`` is the right answer while the decoded tokens match it."""

    open: list[ModelAnswer]
    truth: ModelAnswer | None
    token: int = 0
    logprob: float = 0.0
    loss: float = 0.0

    def advance(self, logits: Tensor, depth: int) -> None:
        """Take the most likely token that an open answer allows at ``depth``."""
        if self.done(depth):
            return
        options = sorted({answer.ids[depth] for answer in self.open})
        # Probabilities among the allowed tokens, as vLLM reports them.
        chances = dict(zip(options, torch.log_softmax(logits[options], dim=-1).tolist(), strict=True))
        self.token = max(options, key=lambda token: chances[token])
        self.open = [answer for answer in self.open if answer.ids[depth] == self.token]
        # Every choice between answers counts, also the closing quote of "bill" if "billing" is a label too.
        self.logprob += chances[self.token]
        if self.truth and depth < self.truth.end:
            self.loss -= chances[self.truth.ids[depth]]
            self.truth = self.truth if self.truth in self.open else None

    def done(self, depth: int) -> bool:
        """Return whether one answer is left and its label is complete."""
        return len(self.open) == 1 and depth >= self.open[0].end


def judge(
    model: Any,
    coder: Coder,
    examples: Sequence[Example],
    labels: Collection[str],
    answered: Callable[[int], None] = lambda more: None,
) -> list[Judged]:
    """Answer every example by greedy decoding constrained to ``labels``; ``answered`` gets the count of new answers."""
    allowed = [coder.answers[label] for label in sorted(labels)]
    was_training = model.training
    model.eval()
    tails = [coder.tail(example) for example in examples]
    judged: dict[int, Judged] = {}
    with torch.inference_mode():
        for part in batches([len(tail) for tail in tails], len(coder.shared), ANSWERING, BATCH):
            long = is_long(len(tails[part[0]]), len(coder.shared), ANSWERING)
            with sparing(model.get_decoder()) if long else nullcontext():
                found = _batch(model, coder, [examples[n] for n in part], [tails[n] for n in part], allowed)
            judged.update(zip(part, found, strict=True))
            answered(len(part))
    model.train(was_training)
    return [judged[n] for n in range(len(examples))]


def _batch(
    model: Any,
    coder: Coder,
    examples: Sequence[Example],
    tails: Sequence[Sequence[int]],
    allowed: Sequence[ModelAnswer],
) -> list[Judged]:
    truths = {answer.label: answer for answer in allowed}
    walks = [_Walk(list(allowed), truths.get(example.label)) for example in examples]
    rows = [embed(model, [*tail, *coder.lead]) for tail in tails]
    decoder = model.get_decoder()
    here = run(decoder, embed(model, coder.shared), rows)
    depth = len(coder.lead)
    while True:
        # Moved to the CPU at once: on a GPU every single access would wait for it.
        for walk, logits in zip(walks, head(model, here.states[:, -1]).cpu(), strict=True):
            walk.advance(logits, depth)
        depth += 1
        if all(walk.done(depth) for walk in walks):
            break
        here = step(decoder, here, embed(model, [walk.token for walk in walks]))
    return [
        Judged(example, walk.open[0].label, math.exp(walk.logprob), walk.loss)
        for example, walk in zip(examples, walks, strict=True)
    ]
