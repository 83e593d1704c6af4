"""Messages and answers as token ids, split exactly as the engine will split them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from postil.plugins.texts import label_answer
from postil.registry.errors import BaseModelError, DatasetError, RegistryError
from postil.registry.training.dataset import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """The tokens of ``{"<field>": "<label>"}`` and the end of turn; the label and its quote end before ``end``."""

    label: str
    ids: tuple[int, ...]
    end: int


class Coder:
    """Turns examples into token ids with the base's own chat template.

    ``shared`` is the common prefix of all prompts (template and instruction). It is computed once per batch instead of
    once per message, which about halves the work. ``lead`` is the common prefix of all answers.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, field: str, examples: Sequence[Example]) -> None:
        self._tokenizer = tokenizer
        labels = sorted({example.label for example in examples})
        self.answers = {label: _answer(tokenizer, field, label) for label in labels}
        self.lead = _common([answer.ids for answer in self.answers.values()])
        self.shared: tuple[int, ...] = ()
        probes = [Example(e.instruction, text, "", 0) for e in examples[:1] for text in ("a", "1")]
        self.shared = _common([self._prompt(example, example.message) for example in [*probes, *examples]])

    def tail(self, example: Example, message: str | None = None) -> list[int]:
        """Return the prompt after the shared prefix; ``message`` replaces the example's own."""
        ids = self._prompt(example, example.message if message is None else message)
        if ids[: len(self.shared)] != self.shared:
            ids = self._prompt(example, example.message)
        return list(ids[len(self.shared) :])

    def text(self, ids: Sequence[int]) -> str:
        """Return what tokens spell, with those that mark turns and ends."""
        return str(self._tokenizer.decode(list(ids)))

    def _prompt(self, example: Example, message: str) -> tuple[int, ...]:
        said = [*example.history, ("user", message)]
        try:
            text = self._rendered([("system", example.instruction), *said] if example.instruction else said)
        except TemplateError as error:
            raise self._refusal(example, said, error) from error
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _rendered(self, said: Sequence[tuple[str, str]]) -> Any:
        turns = [{"role": role, "content": content} for role, content in said]
        return self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)

    def _refusal(self, example: Example, said: Sequence[tuple[str, str]], error: TemplateError) -> RegistryError:
        """Return what is wrong: that there is a system message at all, or the turns of one line."""
        try:
            self._rendered(said)
        except TemplateError:
            return DatasetError(
                f"line {example.line}: the base's chat template does not take these turns ({error}); change the history"
            )
        return BaseModelError(
            f"the base's chat template takes no system message ({error}), and an adapter is asked with its instruction"
            " as one; take another base, or data without an instruction"
        )


def _answer(tokenizer: PreTrainedTokenizerBase, field: str, label: str) -> ModelAnswer:
    text = label_answer(field, label)
    closed = len(text) - 1
    coded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    spelled = sum(begin < closed for begin, _ in coded["offset_mapping"])
    return ModelAnswer(label, (*coded["input_ids"], int(tokenizer.eos_token_id)), spelled)


def _common(rows: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Return the longest common prefix of ``rows``."""
    columns = zip(*rows, strict=False)
    return tuple(column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns))
