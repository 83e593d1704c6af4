"""Keeps the best state of what is trained, on disk, so that a run that is killed still knows it.

The Trainer's own ``load_best_model_at_end`` does not fit every way of tuning (prompt tokens, modules of ours).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


def history(state: TrainerState, name: str) -> list[tuple[int, float]]:
    """Return the figures of a name by step, those before a checkpoint included."""
    return [(int(entry["step"]), float(entry[name])) for entry in state.log_history if name in entry]


class Best(TrainerCallback):
    """Keeps the state with the lowest held-out loss, and tells of every loss.

    ``patience`` is how many looks in a row may bring nothing.
    """

    def __init__(self, model: Any, folder: Path, tell: Callable[[int, float], None], patience: int | None) -> None:
        self._model, self._file, self._tell, self._patience = model, folder / "best.safetensors", tell, patience

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
            self._tell(state.global_step, float(logs["loss"]))

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Keep the state if it is the best so far; end training if nothing was gained for long enough."""
        losses = [math.inf if math.isnan(loss) else loss for _, loss in history(state, "eval_loss")]
        if losses[-1] <= min(losses):
            beside = self._file.with_name("best.new")
            save_file(self._state(), beside)
            os.replace(beside, self._file)
        elif self._patience and len(losses) - losses.index(min(losses)) > self._patience:
            control.should_training_stop = True

    def restore(self) -> None:
        """Put the best state into the model."""
        own = self._trained()
        with safe_open(self._file, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                own[name].data.copy_(file.get_tensor(name))

    def _state(self) -> dict[str, Any]:
        return {name: value.detach().cpu().contiguous() for name, value in self._trained().items()}

    def _trained(self) -> dict[str, Any]:
        return {name: value for name, value in self._model.named_parameters() if value.requires_grad}
