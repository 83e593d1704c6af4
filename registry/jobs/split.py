"""Splits one file into training and validation, the same way each time: by the digest of each message."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from postil.registry.errors import JobError
from postil.registry.training.dataset import Example

# Of each label's messages a fifth is for validation.
SHARE = 5


def validation_lines(examples: Sequence[Example], seed: int) -> frozenset[int]:
    """The lines of a fifth of each label's messages, one at least; equal messages stay together.

    Raises JobError if a label has a single message.
    """
    lines: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for example in examples:
        lines[example.label][_place(example, seed)].append(example.line)
    chosen: set[int] = set()
    for label, places in lines.items():
        if len(places) == 1:
            raise JobError(
                f"the label {label!r} has one message, and training and validation need one each; add some, or send a"
                " validation_file",
                "training_file",
            )
        for place in sorted(places)[: max(1, len(places) // SHARE)]:
            chosen.update(places[place])
    return frozenset(chosen)


def _place(example: Example, seed: int) -> str:
    text = "\0".join((str(seed), *example.key))
    return hashlib.sha256(text.encode()).hexdigest()
