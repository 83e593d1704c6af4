"""A loaded base that answers examples, alone or with an adapter. Imports torch only where it is used."""

from __future__ import annotations

import codecs
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from postil.registry.base_model.model import BaseModel
from postil.registry.errors import DatasetError
from postil.registry.preflight.preflight import CONFIG, WEIGHTS
from postil.registry.training.dataset import Dataset, Example
from postil.registry.training.forgetting import Forgetting
from postil.registry.training.options import Device
from postil.registry.training.prompts import Coder
from postil.registry.training.report import Judged
from postil.registry.training.window import check_lengths


class Onlooker(Protocol):
    """Receives the progress of an evaluation."""

    def started(self, answers: int) -> None:
        """All checks passed; that many answers follow."""

    def answered(self, more: int) -> None:
        """That many more answers are done."""


class Answerer:
    """Answers rows of ``datasets`` under a constraint to labels, as the engine would."""

    def __init__(self, model: Any, tokenizer: Any, coder: Coder, window: int | None, tell: Callable[[int], None]):
        self._model, self._tokenizer, self._coder, self._window, self._tell = model, tokenizer, coder, window, tell

    @classmethod
    def load(
        cls,
        base: BaseModel,
        datasets: Sequence[Dataset],
        labels: Collection[str],
        device: Device,
        window: int | None,
        tell: Callable[[int], None],
    ) -> Answerer:
        """Load the base.

        Raises DatasetError where a message does not fit the engine's window, BaseModelError for a base of another kind.
        """
        from postil.registry.training.model import load_base
        from postil.registry.training.probe import lowest_layer

        model, tokenizer = load_base(base.path, 0, device)
        examples = [example for dataset in datasets for example in dataset.examples]
        coder = Coder(tokenizer, datasets[0].field, [*examples, *_one_each(examples[0], labels)])
        check_lengths(coder, datasets, window)
        lowest_layer(model, coder, 0)
        return cls(model, tokenizer, coder, window, tell)

    def base(self, examples: Sequence[Example], labels: Collection[str]) -> list[Judged]:
        """Return the base's answers."""
        from postil.registry.training.answers import judge

        return judge(self._model, self._coder, examples, labels, self._tell)

    def base_with_shots(self, dataset: Dataset, examples: Sequence[Example], labels: Collection[str]) -> list[Judged]:
        """Return the base's answers to examples of ``dataset`` after more turns; none if one does not fit."""
        from postil.registry.training.answers import judge

        shown = replace(dataset, examples=tuple(examples))
        coder = Coder(self._tokenizer, dataset.field, [*examples, *_one_each(examples[0], labels)])
        try:
            check_lengths(coder, [shown], self._window)
        except DatasetError:
            return []
        return judge(self._model, coder, examples, labels, self._tell)

    def adapter(self, folder: Path, examples: Sequence[Example], labels: Collection[str]) -> list[Judged]:
        """Return the answers of the adapter in ``folder``; the base is as it was afterwards."""
        from postil.registry.training.answers import judge

        with self._adapted(folder) as adapted:
            return judge(adapted, self._coder, examples, labels, self._tell)

    def forgetting(self, folder: Path, field: str, labels: Collection[str]) -> Forgetting:
        """Return what the adapter in ``folder`` does to questions that have nothing to do with it."""
        from postil.registry.training.methods.forgetting import forgetting

        with self._adapted(folder) as adapted:
            return forgetting(adapted, self._tokenizer, field, labels)

    @contextmanager
    def _adapted(self, folder: Path) -> Iterator[Any]:
        """The base with the adapter in ``folder`` during the block."""
        from peft import PeftModel

        with _readable(folder) as readable:
            adapted = PeftModel.from_pretrained(self._model, str(readable))
        try:
            yield adapted
        finally:
            self._model = adapted.unload()


@contextmanager
def _readable(adapter: Path) -> Iterator[Path]:
    """The adapter as PEFT can read it: without the mark that some editors put before a JSON text."""
    config = (adapter / CONFIG).read_bytes()
    if not config.startswith(codecs.BOM_UTF8):
        yield adapter
        return
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / CONFIG).write_bytes(config.removeprefix(codecs.BOM_UTF8))
        (Path(scratch) / WEIGHTS).symlink_to((adapter / WEIGHTS).resolve())
        yield Path(scratch)


def _one_each(example: Example, labels: Collection[str]) -> list[Example]:
    """Return one example per label, so that every label gets its tokens."""
    return [replace(example, label=label) for label in labels]
