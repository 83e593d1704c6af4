"""Refuses messages that the engine could never be asked about, before the long work."""

from __future__ import annotations

from collections.abc import Iterable

from postil.registry.errors import DatasetError
from postil.registry.training.dataset import Dataset
from postil.registry.training.prompts import Coder


def check_lengths(coder: Coder, datasets: Iterable[Dataset], window: int | None) -> None:
    """Check that every message fits the engine's ``window`` with prompt and answer. Raises DatasetError."""
    if window is None:
        return
    room = window - len(coder.shared) - max(len(answer.ids) for answer in coder.answers.values())
    for dataset in datasets:
        for example in dataset.examples:
            tokens = len(coder.tail(example))
            if tokens > room:
                raise DatasetError(
                    f"{dataset.path}, line {example.line}: the message has {tokens} tokens, and the engine's window of"
                    f" {window} leaves {max(room, 0)} for it (POSTIL_MAX_MODEL_LEN); shorten it or delete the line"
                )
