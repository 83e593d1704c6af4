"""One run with its model: measured, trained, measured again and written. Imports torch, so only training imports it."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerState

from postil.registry.training.checkpoints import TRAINER
from postil.registry.training.data.rows import Turn
from postil.registry.training.methods import measures, shown
from postil.registry.training.methods.best import Best, history
from postil.registry.training.methods.encoding import Encoded, Encoder
from postil.registry.training.methods.forgetting import forgotten, neutral, remember
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.methods.progress import Onlooker
from postil.registry.training.methods.report import Measured
from postil.registry.training.methods.result import AS_IT_IS, read_adapter, tidy, write_adapter
from postil.registry.training.methods.rows import Rows
from postil.registry.training.methods.samples import answered
from postil.registry.training.methods.tasks import Task
from postil.registry.training.methods.trainers import Row, dpo_row, kto_row, looks_every, sft_row, trainer
from postil.registry.training.methods.tunes import adapt, parameters
from postil.registry.training.model import load_base

# So many answers are generated, each of so many tokens at most, to see whether they end.
_GENERATED, _LONGEST = 8, 64


class Session:
    """A base model on its way to an adapter."""

    def __init__(self, options: MethodOptions, task: Task, scratch: Path) -> None:
        self._options, self._task, self._scratch = options, task, scratch
        self._model, self._tokenizer = load_base(options.base, options.seed, options.device)
        self.encoder = Encoder(self._tokenizer, options.window)
        self._neutral = neutral(self.encoder)
        self._state = TrainerState()
        self._parameters = 0
        self._prompts: list[tuple[int, ...]] = []

    def shown(self, rows: Sequence[Encoded]) -> Iterator[str]:
        """Give the first rows with what is learned marked."""
        return shown.shown(self._tokenizer, rows)

    def begin(self, held_out: Rows) -> Measured:
        """Measure the base, or the adapter that training begins with, and make the model trainable."""
        remember(self._model, self._neutral, self._scratch / "neutral")
        before = None if self._options.start else self.measure(held_out)
        self._prompts = [row.ids[: row.start] for row in held_out.shown[:_GENERATED]]
        self._model = adapt(self._model, self._options)
        self._parameters = parameters(self._model)
        return before or self.measure(held_out)

    def fit(self, training: Rows, validation: Rows, onlooker: Onlooker, checkpoint: Path | None = None) -> None:
        """Train, and leave the model in its best state. A ``checkpoint`` is where an earlier process got to."""
        options, folder = self._options, self._scratch / TRAINER
        folder.mkdir(exist_ok=True)
        every = options.save_steps or looks_every(options, len(training.shown))
        best = Best(self._model, folder, onlooker, options.patience, every)
        if checkpoint is not None:
            best.go_on(checkpoint)
        rows = self._rows(training), self._rows(validation)
        made = trainer(self._model, self._tokenizer, *rows, options, folder, [best])
        made.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        self._state = made.state
        best.restore()

    def measure(self, held_out: Rows, model: Any = None) -> Measured:
        """Measure the model, or another one, on the held-out rows."""
        model = self._model if model is None else model
        if held_out.pairs:
            return Measured(preferences=measures.preferences(model, held_out.pairs))
        if held_out.good:
            return Measured(preferences=measures.verdicts(model, held_out.shown, held_out.good))
        return Measured(answers=measures.answers(model, held_out.shown, self._allowed()))

    def write(self, folder: Path, held_out: Rows) -> Measured | None:
        """Write the adapter to ``folder``, and measure it as it will be served where that is not as it was trained."""
        write_adapter(self._model, self._options, folder)
        tidy(folder, half=self._options.half)
        if self._options.tune in AS_IT_IS and not self._options.half:
            return None
        self._model = read_adapter(folder, self._options)
        return self.measure(held_out)

    @property
    def looks(self) -> int:
        """The number of states among which the best was chosen."""
        return len(history(self._state, "eval_loss"))

    def figures(self) -> dict[str, Any]:
        """Return what the run cost and did, for its report; of the model as it will be served."""
        return {
            "losses": _curve(self._state, "loss"),
            "looks": _curve(self._state, "eval_loss"),
            "steps": self._state.global_step,
            "tokens": self._state.num_input_tokens_seen,
            "parameters": self._parameters,
            "forgetting": forgotten(self._model, self._neutral, self._scratch / "neutral"),
            "ended": self._ended(),
            "peak_memory": _peak_memory(),
        }

    def _ended(self) -> float | None:
        if self._options.method == "text" or self._options.measure_only:
            return None
        return measures.ended(self._model, self._prompts, int(self._tokenizer.eos_token_id), _LONGEST)

    def _allowed(self) -> measures.Tree | None:
        """Return the answers that a label task allows, as token ids."""
        if not self._task.answers:
            return None
        chats = [answered((Turn("user", "?"),), answer, 0) for answer in self._task.answers]
        return measures.tree([self.encoder.chat(chat).answer for chat in chats])

    def _rows(self, rows: Rows) -> list[Row]:
        if rows.pairs:
            return [dpo_row(pair) for pair in rows.pairs]
        if rows.good:
            return [kto_row(row, good=good) for row, good in zip(rows.shown, rows.good, strict=True)]
        return [sft_row(row) for row in rows.shown]


def _curve(state: TrainerState, name: str) -> tuple[tuple[int, float], ...]:
    return tuple((step, round(value, 4)) for step, value in history(state, name))


def _peak_memory() -> int:
    """Return the most memory that this process held, in bytes; the GPU's where that was more."""
    return max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10, int(torch.cuda.max_memory_allocated()))
