"""Splits one file into training and validation, the same way each time: by the digest of what each row asks."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from postil.registry.errors import JobError
from postil.registry.training.data.similar import clusters
from postil.registry.training.dataset import Example
from postil.registry.training.methods.sample_files import asked_in, same_asked
from postil.registry.training.methods.samples import Sample

# Of each label's messages a fifth is for validation, as of rows without labels.
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


def validation_rows(samples: Sequence[Sample], seed: int) -> frozenset[int]:
    """The lines of a fifth of the rows, one at least; rows that ask the same stay together.

    Raises JobError if all do.
    """
    groups: dict[int, list[Sample]] = defaultdict(list)
    for sample, group in zip(samples, clusters(len(samples), same_asked(samples)), strict=True):
        groups[group].append(sample)
    if len(groups) == 1:
        raise JobError(
            "all rows ask the same, and training and validation need something each; add rows, or send a"
            " validation_file",
            "training_file",
        )
    most, chosen = max(1, len(samples) // SHARE), list[Sample]()
    ordered = sorted(groups.values(), key=lambda group: _digest(seed, (repr(asked_in(group[0])),)))
    for rows in ordered:
        if len(chosen) + len(rows) <= most:
            chosen.extend(rows)
    return frozenset(sample.line for sample in chosen or min(ordered, key=len))


def _place(example: Example, seed: int) -> str:
    return _digest(seed, example.key)


def _digest(seed: int, texts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join((str(seed), *texts)).encode()).hexdigest()
