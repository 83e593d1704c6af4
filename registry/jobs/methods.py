"""Which method a job trains by: the one that was asked for, else the one that its rows show."""

from __future__ import annotations

from typing import Literal

from postil.registry.errors import JobError
from postil.registry.training.data.decoding import parse_object
from postil.registry.training.data.labels import LONGEST
from postil.registry.training.data.reading import DataFile
from postil.registry.training.data.rows import Row
from postil.registry.training.dataset import KINDS

Method = Literal["classify", "sft", "dpo"]
LABELS: Method = "classify"
ANSWERS: Method = "sft"
PREFERENCES: Method = "dpo"
# So many different labels are labels though each comes once.
_FEW = 10
# What is learned by each, where people read it.
SPOKEN = {LABELS: "labels", ANSWERS: "answers in free text", PREFERENCES: "preferences"}


def method_of(file: DataFile, asked: Method | None) -> Method:
    """Return ``asked``; without it, how the rows of a supervised job are learned. Raises JobError.

    They are labels where most answers are JSON with one field, and few or the same again and again: then each row that
    is none is a fault. Else they are answers in free text.
    """
    if asked is not None:
        return asked
    if file.kind not in KINDS:
        raise JobError(
            f"the rows are {file.form}, which the method `supervised` does not learn; send conversations, or take the"
            " method `dpo` for preferences",
            "training_file",
        )
    labels = [label for label in map(_label, file.rows) if label is not None]
    come_again = len(set(labels)) <= max(_FEW, len(labels) // 2)
    return LABELS if come_again and 2 * len(labels) >= len(file.rows) else ANSWERS


def _label(row: Row) -> str | None:
    """The beginning of the one field's text, or None: one that is too long or missing is a fault of a label."""
    answer = parse_object(row.answer)
    if answer is None or len(answer) > 1:
        return None
    label = next(iter(answer.values()), "")
    return label[:LONGEST] if isinstance(label, str) else None
