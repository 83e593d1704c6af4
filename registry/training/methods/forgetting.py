"""How much a model forgets: its distance to the base on neutral prompts. Imports torch, so only training imports it.

The distance is the Kullback-Leibler divergence between next-token distributions, from the base: the penalty that keeps
a policy near its reference in Ziegler et al., "Fine-Tuning Language Models from Human Preferences" (2019), here as a
measure. That LoRA forgets less than full fine-tuning, and how that is measured by tasks, is in Biderman et al., "LoRA
Learns Less and Forgets Less" (TMLR 2024).
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from postil.registry.training.data.rows import Turn
from postil.registry.training.forgetting import Forgetting, is_label
from postil.registry.training.methods.encoding import Encoded, Encoder
from postil.registry.training.methods.measures import answer_logits, answers, generated
from postil.registry.training.methods.samples import answered

_FILE = "neutral.jsonl"
# So many tokens of an answer say what kind of answer it is.
_CONTINUED = 32
_DIGITS = 4


def neutral(encoder: Encoder) -> list[Encoded]:
    """Return the package's neutral questions with an answer each, the same for every run."""
    lines = files(__package__).joinpath(_FILE).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        encoder.chat(answered((Turn("user", row["prompt"]),), row["answer"], number))
        for number, row in enumerate(rows, 1)
    ]


def remember(model: Any, rows: Sequence[Encoded], folder: Path) -> None:
    """Store what ``model``, the base, makes of ``rows``: on disk, so that it counts as nobody's memory."""
    folder.mkdir()
    for place, logits in answer_logits(model, rows):
        torch.save(torch.log_softmax(logits, dim=-1), folder / f"{place}.pt")


def forgotten(model: Any, rows: Sequence[Encoded], folder: Path) -> float:
    """Return the mean Kullback-Leibler divergence from the base to ``model``, in nats per token of the answers."""
    total, tokens = 0.0, 0
    for place, logits in answer_logits(model, rows):
        base = torch.load(folder / f"{place}.pt", weights_only=True)
        total += _divergence(base, logits)
        tokens += len(base)
    return round(total / tokens, _DIGITS)


def forgetting(adapted: Any, tokenizer: Any, field: str, labels: Collection[str]) -> Forgetting:
    """Compare a PEFT model with itself without its adapter, on the package's neutral questions."""
    rows = neutral(Encoder(tokenizer))
    prompts, end = [row.ids[: row.start] for row in rows], int(tokenizer.eos_token_id)
    adapted.eval()
    with adapted.disable_adapter():
        base, written = generated(adapted, prompts, end, _CONTINUED), answers(adapted, rows).loss
    own = generated(adapted, prompts, end, _CONTINUED)
    total, tokens = 0.0, 0
    for row in (_continued(prompt, said) for prompt, said in zip(prompts, base, strict=True)):
        total += _apart(adapted, row)
        tokens += len(row.answer)

    def labelled(said: Sequence[Sequence[int]]) -> int:
        return sum(is_label(tokenizer.decode(one, skip_special_tokens=True), field, labels) for one in said)

    return Forgetting(
        prompts=len(rows),
        tokens=tokens,
        kl=round(total / tokens, _DIGITS),
        perplexity_ratio=round(math.exp(answers(adapted, rows).loss - written), _DIGITS),
        labels=labelled(own),
        base_labels=labelled(base),
    )


def _continued(prompt: Sequence[int], said: Sequence[int]) -> Encoded:
    return Encoded((*prompt, *said), (*[False] * len(prompt), *[True] * len(said)), 0)


def _apart(adapted: Any, row: Encoded) -> float:
    """Return the divergence from the base over one row; row by row, the two need not be kept."""
    with adapted.disable_adapter():
        [(_, base)] = answer_logits(adapted, [row])
    [(_, logits)] = answer_logits(adapted, [row])
    return _divergence(torch.log_softmax(base, dim=-1), logits)


def _divergence(base: Tensor, logits: Tensor) -> float:
    """Return the sum over tokens of the divergence from the base, given its log-probabilities, in nats."""
    return float((base.exp() * (base - torch.log_softmax(logits, dim=-1))).sum())
