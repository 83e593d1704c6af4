"""Whether rows of ``sft`` are a label task, which answers then are allowed, and what all rows are told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from postil.registry.training.methods.samples import Chat, Sample

# So many answers at most, each so often on average: then the answers are labels.
_MOST, _OFTEN = 50, 3


@dataclass(frozen=True, slots=True)
class Task:
    """What rows have in common: their system prompt, and their answers if these are labels."""

    instruction: str | None = None
    answers: tuple[str, ...] = ()
    field: str | None = None
    labels: tuple[str, ...] = ()


def read_task(training: Sequence[Sample], held_out: Sequence[Sample]) -> Task:
    """Return what the rows have in common."""
    chats = [sample for sample in (*training, *held_out) if isinstance(sample, Chat)]
    told = {chat.turns[0].content if chat.turns[0].role == "system" else "" for chat in chats}
    instruction = told.pop() if len(told) == 1 else None
    said = [[turn.content for turn in chat.turns if turn.role == "assistant"] for chat in chats]
    answers = {texts[0] for texts in said if len(texts) == 1}
    if not answers or any(len(texts) != 1 for texts in said) or len(answers) > min(_MOST, len(said) // _OFTEN):
        return Task(instruction)
    fields = [_field(answer) for answer in sorted(answers)]
    names = {name for name, _ in fields}
    if len(names) != 1 or None in names:
        return Task(instruction, tuple(sorted(answers)))
    return Task(instruction, tuple(sorted(answers)), names.pop(), tuple(label for _, label in fields))


def _field(answer: str) -> tuple[str | None, str]:
    """Return field and label of an answer such as ``{"category": "billing"}``."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return None, ""
    if not isinstance(found, dict) or len(found) != 1 or not isinstance(next(iter(found.values())), str):
        return None, ""
    [(field, label)] = found.items()
    return field, label
