"""Refuses messages that the engine could never be asked about, before the long work."""

from __future__ import annotations

from collections.abc import Iterable

from postil.registry.errors import DatasetError
from postil.registry.training.dataset import Dataset
from postil.registry.training.prompts import Coder
from postil.registry.training.taught import named_lines


def check_lengths(coder: Coder, datasets: Iterable[Dataset], window: int | None) -> None:
    """Check that every message fits the engine's ``window`` with prompt and answer. Raises DatasetError."""
    if window is None:
        return
    room = window - len(coder.shared) - max(len(answer.ids) for answer in coder.answers.values())
    for dataset in datasets:
        lengths = {example.line: len(coder.tail(example)) for example in dataset.examples}
        if long := [line for line, tokens in lengths.items() if tokens > room]:
            others = f" (also too long: {named_lines(long[1:])})" if len(long) > 1 else ""
            raise DatasetError(
                f"{dataset.path}, line {long[0]}: the message has {lengths[long[0]]} tokens, and the engine's window of"
                f" {window} leaves {max(room, 0)} for it (POSTIL_MAX_MODEL_LEN){others}; shorten what is too long or"
                " delete the lines"
            )
