"""How much a model forgets: its distance to the base on neutral prompts. Imports torch, so only training imports it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from postil.registry.training.data.rows import Turn
from postil.registry.training.methods.encoding import Encoded, Encoder
from postil.registry.training.methods.measures import answer_logits
from postil.registry.training.methods.samples import answered

_FILE = "neutral.jsonl"


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
        total += float((base.exp() * (base - torch.log_softmax(logits, dim=-1))).sum())
        tokens += len(base)
    return round(total / tokens, 4)
