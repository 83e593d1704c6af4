"""Messages and answers as token ids, cut as the engine will see them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from postil.registry.tuning.dataset import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Answer:
    """The tokens of ``{"<field>": "<label>"}`` and the end of turn; ``start`` to ``end`` spell the label."""

    label: str
    ids: tuple[int, ...]
    start: int
    end: int


class Coder:
    """Turns examples into token ids with the base's own chat template.

    ``shared`` is the beginning that all prompts have in common (template and instruction): it is computed once
    per batch instead of once per message, which about halves the work. ``lead`` is what all answers begin with.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, field: str, examples: Sequence[Example]) -> None:
        self._tokenizer = tokenizer
        labels = sorted({example.label for example in examples})
        self.answers = {label: _answer(tokenizer, field, label) for label in labels}
        start = min(answer.start for answer in self.answers.values())
        self.lead = _common([answer.ids[:start] for answer in self.answers.values()])
        self.shared: tuple[int, ...] = ()
        probes = [Example(e.instruction, text, "", 0) for e in examples[:1] for text in ("a", "1")]
        self.shared = _common([self._prompt(example, example.message) for example in [*probes, *examples]])

    def tail(self, example: Example, message: str | None = None) -> list[int]:
        """The prompt after the shared beginning; ``message`` replaces the example's own."""
        ids = self._prompt(example, example.message if message is None else message)
        if ids[: len(self.shared)] != self.shared:
            ids = self._prompt(example, example.message)
        return list(ids[len(self.shared) :])

    def _prompt(self, example: Example, message: str) -> tuple[int, ...]:
        turns = [{"role": "user", "content": message}]
        if example.instruction:
            turns.insert(0, {"role": "system", "content": example.instruction})
        text: Any = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def _answer(tokenizer: PreTrainedTokenizerBase, field: str, label: str) -> Answer:
    text = json.dumps({field: label})
    end = len(text) - 2
    begin = end - len(json.dumps(label)) + 2
    coded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    spelled = [n for n, (a, b) in enumerate(coded["offset_mapping"]) if a < end and b > begin]
    ids = (*coded["input_ids"], int(tokenizer.eos_token_id))
    return Answer(label, ids, spelled[0], spelled[-1] + 1)


def _common(rows: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The longest beginning that all ``rows`` share."""
    columns = zip(*rows, strict=False)
    return tuple(column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns))
