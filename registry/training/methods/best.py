"""Keeps the best state of what is trained, on disk and in each checkpoint, so that a run that is killed still knows it.

The Trainer's own ``load_best_model_at_end`` does not fit every way of tuning (prompt tokens, modules of ours).
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from postil.registry.training.checkpoints import complete, folder_of
from postil.registry.training.methods.progress import Onlooker

_BEST = "best.safetensors"


def history(state: TrainerState, name: str) -> list[tuple[int, float]]:
    """Return the figures of a name by step, those before a checkpoint included."""
    return [(int(entry["step"]), float(entry[name])) for entry in state.log_history if name in entry]


def trained(model: Any) -> dict[str, Any]:
    """Return the parameters that are trained, by name: of DPO's two adapters, the one that is not its reference."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def save_trained(model: Any, file: Path) -> None:
    """Store what is trained."""
    save_file({name: value.detach().cpu().contiguous() for name, value in trained(model).items()}, file)


def load_trained(model: Any, file: Path) -> None:
    """Put what ``save_trained`` stored into ``model``."""
    own = trained(model)
    with safe_open(file, framework="pt") as stored:
        for name in stored.keys():  # noqa: SIM118 - not a mapping
            own[name].data.copy_(stored.get_tensor(name))


class Best(TrainerCallback):
    """Keeps the state with the lowest held-out loss, asks for checkpoints, and tells of every loss.

    ``patience`` is how many looks in a row may bring nothing; ``every`` is the number of steps between checkpoints.
    """

    def __init__(self, model: Any, folder: Path, onlooker: Onlooker, patience: int | None, every: int) -> None:
        self._model, self._file, self._onlooker, self._patience = model, folder / _BEST, onlooker, patience
        self._every = every

    def go_on(self, checkpoint: Path) -> None:
        """Take over the best state that an earlier process had at its ``checkpoint``."""
        _link(checkpoint / _BEST, self._file)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Tell how many steps there are."""
        self._onlooker.begins(state.max_steps)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Have a checkpoint written if training goes on; it is, after a look at this step."""
        control.should_save = state.global_step % self._every == 0 and state.global_step < state.max_steps

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Put the best state into the Trainer's checkpoint, which counts from then on."""
        folder = folder_of(str(args.output_dir), state.global_step)
        _link(self._file, folder / _BEST)
        complete(folder, {"step": state.global_step})

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Tell of the loss of a step."""
        if logs and "loss" in logs:
            self._onlooker.stepped(state.global_step, float(logs["loss"]))

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Keep the state if it is the best so far; end training if nothing was gained for long enough."""
        losses = [math.inf if math.isnan(loss) else loss for _, loss in history(state, "eval_loss")]
        self._onlooker.looked(float(state.epoch or 0.0), losses[-1], losses[-1] <= min(losses))
        if losses[-1] <= min(losses):
            beside = self._file.with_name("best.new")
            save_trained(self._model, beside)
            os.replace(beside, self._file)
        elif self._patience and len(losses) - losses.index(min(losses)) > self._patience:
            control.should_training_stop, control.should_save = True, False

    def restore(self) -> None:
        """Put the best state into the model."""
        load_trained(self._model, self._file)


def _link(file: Path, place: Path) -> None:
    """Let ``place`` be ``file``, if there is one: it is replaced and never changed, so no bytes are copied."""
    place.unlink(missing_ok=True)
    if file.exists():
        os.link(file, place)
