"""What an adapter has to beat: a linear model that was trained on the same rows, and the base with examples shown."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from postil.plugins.texts import label_answer
from postil.registry.training.data.linear import linear_model
from postil.registry.training.dataset import Dataset, Example
from postil.registry.training.report import Judged

# Shown to the base, of each label.
SHOTS = 2
_LEAST = 1e-12


def linear(training: Dataset, examples: Sequence[Example]) -> list[Judged]:
    """Train a linear model and answer ``examples`` with it, the reject label among its labels.

    Raises TuneExtraMissingError.
    """
    texts = [_text(one) for one in training.examples]
    model = linear_model(texts).fit(texts, [one.label for one in training.examples])
    labels = [str(label) for label in model.classes_]
    chances = model.predict_proba([_text(one) for one in examples]).tolist()
    return [_judged(one, dict(zip(labels, row, strict=True))) for one, row in zip(examples, chances, strict=True)]


def with_shots(training: Dataset, examples: Sequence[Example], labels: Collection[str]) -> list[Example]:
    """Return ``examples`` after a few of the training rows, as turns of the chat: the first ones of each label."""
    shown = [
        shot
        for number in range(SHOTS)
        for label in sorted(labels)
        for shot in [one for one in training.examples if one.label == label and not one.history][number : number + 1]
    ]
    turns = tuple(turn for shot in shown for turn in _turns(shot, training.field))
    return [replace(one, history=(*turns, *one.history)) for one in examples]


def _turns(shot: Example, field: str) -> tuple[tuple[str, str], ...]:
    return ("user", shot.message), ("assistant", label_answer(field, shot.label))


def _text(example: Example) -> str:
    return "\n".join([*(text for _, text in example.history), example.message])


def _judged(example: Example, chances: dict[str, float]) -> Judged:
    label = max(chances, key=lambda one: chances[one])
    return Judged(example, label, chances[label], -math.log(max(chances.get(example.label, 0.0), _LEAST)))
