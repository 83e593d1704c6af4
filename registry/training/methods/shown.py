"""Shows rows before training as the model meets them, with what is learned marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING

from postil.registry.training.methods.encoding import Encoded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

OPEN, CLOSE = "⟦", "⟧"


def shown(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Encoded], count: int = 3) -> Iterator[str]:
    """Give the first rows as text, with the learned tokens between brackets."""
    for row in islice(rows, count):
        yield "".join(_parts(tokenizer, row))


def _parts(tokenizer: PreTrainedTokenizerBase, row: Encoded) -> Iterator[str]:
    for learned, places in groupby(range(len(row.ids)), key=lambda place: row.learned[place]):
        text = str(tokenizer.decode([row.ids[place] for place in places]))
        yield f"{OPEN}{text}{CLOSE}" if learned else text
