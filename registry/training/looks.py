"""What happens between steps: validations, the best state, its checkpoints and an early end. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from postil.registry.training.checkpoints import finish, folder_of, found_in
from postil.registry.training.dataset import Example
from postil.registry.training.options import TrainOptions
from postil.registry.training.progress import Watcher
from postil.registry.training.report import Judged, Metrics, Part, measure

_BEST = "best.safetensors"


class Looks(TrainerCallback):
    """Validates several times per epoch, keeps the best state, ends early, and informs the watcher."""

    def __init__(
        self, model: PeftModel, answers: Callable[[], list[Judged]], every: int, options: TrainOptions, watcher: Watcher
    ) -> None:
        self._model, self._answers, self._every, self._watcher = model, answers, every, watcher
        self._reject, self._patience = options.reject, options.patience
        self._metrics: Metrics | None = None
        self._state: dict[str, Tensor] = {}
        self._waited = 0
        self.best: list[Judged] = []
        self.parts: list[Part] = []

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Validate if a part of the epoch is over, and have a checkpoint written if training goes on."""
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            self._look(state.epoch or 0.0)
            over = self._patience is not None and self._waited >= self._patience
            control.should_training_stop = control.should_training_stop or over
            control.should_save = not control.should_training_stop

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Report the loss."""
        if logs and "loss" in logs:
            self._watcher.stepped(state.global_step, float(logs["loss"]))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write what was found so far into the Trainer's checkpoint."""
        folder = folder_of(args.output_dir, state.global_step)
        save_file({name: value.contiguous() for name, value in self._state.items()}, folder / _BEST)
        assert self._metrics is not None, "a checkpoint is asked for after a validation"
        finish(folder, self._metrics, self.best, self.parts, self._waited)

    def go_on(self, folder: Path, examples: Sequence[Example]) -> None:
        """Take over what an earlier process found until its checkpoint in ``folder``."""
        self._metrics, self.best, self.parts, self._waited = found_in(folder, examples)
        self._state = load_file(folder / _BEST, device=str(self._model.device))

    def _look(self, epoch: float) -> None:
        judged = self._answers()
        metrics = measure(judged, self._reject)
        best = _better(metrics, self._metrics)
        self._waited = 0 if best else self._waited + 1
        if best:
            self._state = {name: value.detach().clone() for name, value in weights(self._model).items()}
            self._metrics, self.best = metrics, judged
        self.parts.append(Part(epoch=round(epoch, 3), loss=metrics.loss, accuracy=metrics.accuracy))
        self._watcher.measured(epoch, metrics, best)

    def restore(self) -> None:
        """Load the best state into the model."""
        set_peft_model_state_dict(self._model, self._state)


def weights(model: PeftModel) -> dict[str, Tensor]:
    """Return the adapter's weights; the base's id is not looked up anywhere for them."""
    found: dict[str, Tensor] = get_peft_model_state_dict(model, save_embedding_layers=False)
    return found


def _better(new: Metrics, old: Metrics | None) -> bool:
    return old is None or (new.accuracy, -new.loss) > (old.accuracy, -old.loss)
