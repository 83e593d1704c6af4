"""Keeps the best state of what is trained, on disk, so that a run that is killed still knows it.

The Trainer's own ``load_best_model_at_end`` does not fit every way of tuning (prompt tokens, modules of ours).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Best(TrainerCallback):
    """Keeps the state with the lowest held-out loss, and tells of every loss."""

    def __init__(self, model: Any, folder: Path, tell: Callable[[int, float], None]) -> None:
        self._model, self._file, self._tell = model, folder / "best.safetensors", tell
        self.losses: list[tuple[int, float]] = []
        self.looks: list[tuple[int, float]] = []

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note the loss of a step."""
        if logs and "loss" in logs:
            self.losses.append((state.global_step, round(float(logs["loss"]), 4)))
            self._tell(*self.losses[-1])

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep the state if it is the best so far."""
        loss = float((metrics or {})["eval_loss"])
        self.looks.append((state.global_step, round(loss, 4)))
        if loss < self._known():
            beside = self._file.with_name("best.new")
            save_file(self._state(), beside, metadata={"loss": repr(loss)})
            os.replace(beside, self._file)

    def restore(self) -> None:
        """Put the best state into the model."""
        if not self._file.exists():
            return
        own = self._trained()
        with safe_open(self._file, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                own[name].data.copy_(file.get_tensor(name))

    def _known(self) -> float:
        if not self._file.exists():
            return float("inf")
        with safe_open(self._file, framework="pt") as file:
            return float(file.metadata()["loss"])

    def _state(self) -> dict[str, Any]:
        return {name: value.detach().cpu().contiguous() for name, value in self._trained().items()}

    def _trained(self) -> dict[str, Any]:
        return {name: value for name, value in self._model.named_parameters() if value.requires_grad}
